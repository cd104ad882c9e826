"""What the crawler's process is told and what it reports: JSON, one object per line."""

import json
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path

from similarity_lab.web.policy.limits import Limits


@dataclass(frozen=True)
class CrawlOptions:
    """How sites are crawled: the first line that the crawler's process reads.

    Attributes
    ----------
    limits : Limits
        Per site.
    allow : tuple of str
        ``host:port`` that may be contacted although not on the public internet.
    throttle : bool
        Adapt the request rate to the server.
    user_agent : str
    render : str
        ``"never"``, ``"auto"`` (pages that look empty) or ``"always"``: use a browser.
    verify : bool
        Require a trusted certificate.
    """

    limits: Limits = field(default_factory=Limits)
    allow: tuple[str, ...] = ()
    throttle: bool = True
    user_agent: str = "similarity_lab"
    render: str = "never"
    verify: bool = True

    def to_json(self) -> str:
        """Return the options on one line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, line: str) -> "CrawlOptions":
        """Read what `to_json` wrote."""
        fields = json.loads(line)
        return cls(
            **fields | {"limits": Limits(**fields["limits"]), "allow": tuple(fields["allow"])}
        )


@dataclass(frozen=True)
class Job:
    """One site to crawl: any further line that the crawler's process reads.

    Attributes
    ----------
    url : str
        The first page.
    folder : Path
        The only place that is written to for this site; what the process reports names it.
    """

    url: str
    folder: Path

    def to_json(self) -> str:
        """Return the job on one line."""
        return json.dumps({"url": self.url, "folder": str(self.folder)})

    @classmethod
    def from_json(cls, line: str) -> "Job":
        """Read what `to_json` wrote."""
        fields = json.loads(line)
        return cls(fields["url"], Path(fields["folder"]))


def report(event: dict) -> None:
    """Write an event on standard output, for the parent process."""
    sys.stdout.write(json.dumps(event) + "\n")
    sys.stdout.flush()


def read_log(path: Path) -> list[dict]:
    """Return the rows of a crawl's log; lines that a killed crawl left broken are ignored."""
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if isinstance(row, dict) and isinstance(row.get("crawl_status"), str):
            rows.append(row)
    return rows
