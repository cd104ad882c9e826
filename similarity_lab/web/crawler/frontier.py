"""The frontier of images: those that pages name, in the order in which they are fetched."""

from w3lib.url import canonicalize_url, parse_data_uri

from similarity_lab.web.crawler.pipeline import Candidate, ImageStore, short_url
from similarity_lab.web.html.images import FoundImage


class ImageFrontier:
    """All images that a site's pages name, each once; the likeliest product images come first."""

    def __init__(self, store: ImageStore) -> None:
        self.store = store
        self.candidates: dict[str, Candidate] = {}
        self.done = store.final_urls()

    def add(self, images: list[FoundImage], page: str) -> None:
        """Add the images of a document; of two mentions, the one of higher priority counts."""
        for image in images:
            key = image.url if image.url.startswith("data:") else canonicalize_url(image.url)
            old = self.candidates.get(key)
            if old is None:
                self.candidates[key] = Candidate(image, page)
            else:
                merged = old.image.merged(image)
                is_better = (merged.kind, merged.source) != (old.image.kind, old.image.source)
                self.candidates[key] = Candidate(merged, page if is_better else old.page)

    def next_batch(self, size: int) -> list[Candidate]:
        """Return the best images still to be requested, no more than may be kept.

        Images that need no request are settled and logged here.
        """
        batch: list[Candidate] = []
        room = min(size, self.store.limits.images - self.store.n_kept)
        for candidate in sorted(self._pending(), key=lambda pending: -pending.image.priority):
            if candidate.image.reason:
                self._settle(candidate, "left out", candidate.image.reason)
            elif len(batch) < room:
                self.done.add(short_url(candidate.image.url))
                if candidate.image.url.startswith("data:"):
                    self._save_data_url(candidate)
                else:
                    batch.append(candidate)
        return batch

    def close(self, reason: str) -> None:
        """Log the images that are left as not fetched."""
        for candidate in self._pending():
            if candidate.image.reason:
                self._settle(candidate, "left out", candidate.image.reason)
            else:
                self._settle(candidate, "not fetched", reason)

    def _pending(self) -> list[Candidate]:
        return [
            candidate
            for candidate in self.candidates.values()
            if short_url(candidate.image.url) not in self.done
        ]

    def _save_data_url(self, candidate: Candidate) -> None:
        try:
            body = parse_data_uri(candidate.image.url).data
        except ValueError as error:
            self.store.log(candidate, "left out", f"Invalid data URL: {error}")
        else:
            self.store.save(candidate, body)

    def _settle(self, candidate: Candidate, crawl_status: str, reason: str) -> None:
        self.done.add(short_url(candidate.image.url))
        self.store.log(candidate, crawl_status, reason)
