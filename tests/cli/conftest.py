import pytest

from similarity_lab import cli


@pytest.fixture
def run():
    """Run the command line in this process; return its exit code."""

    def run(*arguments):
        return cli.main([str(argument) for argument in arguments])

    return run
