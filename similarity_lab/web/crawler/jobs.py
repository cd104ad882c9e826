"""What the crawler's process is told, and how it answers: JSON, one thing a line."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from similarity_lab.web.policy.limits import Limits


@dataclass(frozen=True)
class Job:
    """One site to crawl.

    Attributes
    ----------
    url : str
        The first page.
    folder : Path
        Where to write; nothing is written elsewhere.
    limits : Limits
    allow : tuple of str
        ``host:port`` that may be connected to although they are not on the public internet.
    throttle : bool
        Ask slowly, as slowly as the server answers.
    user_agent : str
    render : str
        ``"never"``, ``"auto"`` (pages that look empty) or ``"always"``, in a browser.
    verify : bool
        Ask only servers whose certificate is trusted.
    """

    url: str
    folder: Path
    limits: Limits = field(default_factory=Limits)
    allow: tuple[str, ...] = ()
    throttle: bool = True
    user_agent: str = "similarity_lab"
    render: str = "never"
    verify: bool = True

    def to_json(self) -> str:
        """Return one line."""
        return json.dumps({**asdict(self), "folder": str(self.folder)})

    @classmethod
    def from_json(cls, line: str) -> "Job":
        """Read what `to_json` wrote."""
        fields = json.loads(line)
        return cls(
            **{
                **fields,
                "folder": Path(fields["folder"]),
                "limits": Limits(**fields["limits"]),
                "allow": tuple(fields["allow"]),
            }
        )


def read_lines(path: Path) -> list[dict]:
    """Return the notes of a crawl that may have been killed: a broken line does not count."""
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if isinstance(row, dict) and isinstance(row.get("status"), str):
            rows.append(row)
    return rows
