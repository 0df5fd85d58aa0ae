"""What a request may cost."""

from __future__ import annotations

from dataclasses import dataclass

from zoo import check


@dataclass(frozen=True)
class Limits:
    """Bounds of a request, beyond which it is refused.

    Args:
        megabytes: of a request's body.
        inputs: of a request.
        megapixels: of all images of a request together, and of the images that they become.
        seconds: in which a request must have arrived, and after that be answered.
        waiting: inputs of all requests that wait to be computed.
        batch_size: inputs that are computed at once.

    Raises:
        ValueError: one of them is not above 0.
    """

    megabytes: float = 16
    inputs: int = 4096
    megapixels: float = 16
    seconds: float = 30
    waiting: int = 16_384
    batch_size: int = 64

    def __post_init__(self) -> None:
        for name in ("megabytes", "megapixels", "seconds"):
            check.positive(name, getattr(self, name))
        for name in ("inputs", "waiting", "batch_size"):
            check.whole(name, getattr(self, name))

    @property
    def bytes(self) -> int:
        """Of a request's body."""
        return int(self.megabytes * 2**20)

    @property
    def pixels(self) -> int:
        return int(self.megapixels * 10**6)
