"""Questions put to many members: which hyper-parameters, how good, one model for each group."""
