"""Progress bars as text, in terminals and in notebooks.

Notebooks save every output. A widget cannot be shown without the kernel that made it ("model not
found"), and what is written to stderr stays as a red block; plain text that is updated in place
does neither.
"""

import sys
from typing import TYPE_CHECKING, Any, ClassVar

from tqdm.std import tqdm as terminal_bar

__all__ = ["tqdm"]

_WIDTH = 88  # characters, in a notebook


class TextBar(terminal_bar):  # not generic when it runs
    """A `tqdm.tqdm` that a notebook displays as plain text.

    A bar that does not stay leaves an empty output, which the next one of the same cell uses.
    """

    _cell: Any = None  # the execution to which the spare outputs belong
    _spare: ClassVar[list[Any]] = []

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
        self._output: Any = None  # display handle of a notebook
        self._own_cell: Any = None
        shell = None if kwargs.get("disable") else _kernel_shell()
        if shell is not None:
            kwargs = {"ncols": _WIDTH, **kwargs, "gui": True}  # gui: nothing goes to stderr
        super().__init__(*args, **kwargs)
        if shell is not None and not self.disable:
            from IPython.display import DisplayHandle

            self._own_cell = shell.execution_count
            if TextBar._cell != shell.execution_count:
                TextBar._cell, TextBar._spare = shell.execution_count, []
            if not self.leave and TextBar._spare:
                self._output = TextBar._spare.pop()
                self.display()
            else:
                self._output = DisplayHandle()
                self._output.display({"text/plain": str(self)}, raw=True)

    def display(self, msg: str | None = None, pos: int | None = None) -> None:
        """Show the bar, or another text in its place."""
        if self._output is None:
            if not self.gui:
                super().display(msg, pos)
            return
        self._output.update({"text/plain": str(self) if msg is None else msg}, raw=True)

    def clear(self, nolock: bool = False) -> None:
        """Hide the bar; it returns with the next step."""
        if self._output is None:
            super().clear(nolock)

    def close(self) -> None:
        """Show the final state, or nothing if the bar shall not stay."""
        is_closed = getattr(self, "disable", True)
        super().close()
        if self._output is not None and not is_closed:
            self._ema_dt = lambda: None  # the mean rate instead of the latest
            self.display(None if self.leave else "")
            if not self.leave and self._own_cell == TextBar._cell:
                TextBar._spare.append(self._output)


def _kernel_shell() -> Any:  # noqa: ANN401
    """Return the shell of the notebook kernel that runs this; None in a terminal or a script."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return shell if hasattr(shell, "kernel") else None


if TYPE_CHECKING:  # the type checker sees the generic class
    from tqdm.std import tqdm
else:
    tqdm = TextBar
