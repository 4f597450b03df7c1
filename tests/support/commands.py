"""A command as the shell would run it."""

from jaxbm.cli import main


def run(capsys, *argv):
    """Its exit status, what it printed and what it complained of."""
    status = main([str(a) for a in argv])
    captured = capsys.readouterr()
    return status, captured.out, captured.err
