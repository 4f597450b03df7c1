"""Adam and AdamW by number of parameters."""

from conftest import parametrised


@parametrised("adam", "adamw")
def bench_optimizers(measure, contest, contestant):
    measure(contest, contestant)
