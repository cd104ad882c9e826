"""Which of the images that a site names are fetched next: the likeliest product images."""

from dataclasses import replace

from w3lib.url import canonicalize_url, parse_data_uri

from similarity_lab.web.crawler.keeping import Candidate, Keeper, shown_address
from similarity_lab.web.html.found import Found


class Choice:
    """All images that a site's pages name, each once."""

    def __init__(self, keeper: Keeper) -> None:
        self.keeper = keeper
        self.candidates: dict[str, Candidate] = {}
        self.done = keeper.known()

    def take(self, images: list[Found], page: str) -> None:
        """Add the images of a page; where one is named twice, what says more of it counts."""
        for found in images:
            is_data = found.address.startswith("data:")
            key = found.address if is_data else canonicalize_url(found.address)
            before = self.candidates.get(key)
            if before is None:
                self.candidates[key] = Candidate(found, page)
            elif _rank(found) > _rank(before.found):
                alt = found.alt or before.found.alt
                self.candidates[key] = Candidate(replace(found, alt=alt), page)

    def next_batch(self, most: int) -> list[Candidate]:
        """Return the best images that are still to be asked for, no more than may be kept.

        What can be settled without asking is settled and noted here.
        """
        batch: list[Candidate] = []
        room = min(most, self.keeper.limits.images - self.keeper.n_kept)
        for candidate in sorted(self._waiting(), key=lambda one: -one.found.priority):
            if candidate.found.reason:
                self._settle(candidate, "left out", candidate.found.reason)
            elif len(batch) < room:
                self.done.add(shown_address(candidate.found.address))
                if candidate.found.address.startswith("data:"):
                    self._unpack(candidate)
                else:
                    batch.append(candidate)
        return batch

    def give_up(self, reason: str) -> None:
        """Note that what is left is not fetched, and why."""
        for candidate in self._waiting():
            if candidate.found.reason:
                self._settle(candidate, "left out", candidate.found.reason)
            else:
                self._settle(candidate, "not fetched", reason)

    def _waiting(self) -> list[Candidate]:
        return [
            candidate
            for candidate in self.candidates.values()
            if shown_address(candidate.found.address) not in self.done
        ]

    def _unpack(self, candidate: Candidate) -> None:
        try:
            body = parse_data_uri(candidate.found.address).data
        except ValueError as error:
            self.keeper.note(candidate, "left out", f"a broken data address: {error}")
        else:
            self.keeper.keep(candidate, body)

    def _settle(self, candidate: Candidate, status: str, reason: str) -> None:
        self.done.add(shown_address(candidate.found.address))
        self.keeper.note(candidate, status, reason)


def _rank(found: Found) -> tuple[bool, int]:
    return not found.reason, found.priority
