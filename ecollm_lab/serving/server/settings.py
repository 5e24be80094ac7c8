"""What a server allows, and whom."""

from __future__ import annotations

from dataclasses import dataclass

from ecollm_lab.records import LabError

LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, slots=True)
class Settings:
    """What a server allows, and whom.

    Attributes
    ----------
    host, port
        Where it listens; this machine alone by default.
    token
        What clients must send as `Authorization: Bearer …`; None = they need not.
    max_body_bytes, max_question_chars
        The largest request and the longest question.
    max_concurrent
        Questions that are answered at once; further ones get status 429.
    log_questions
        Whether the log holds the texts of questions, and of errors, which may quote them.
    drain_s
        How long questions in flight may take when the server is asked to stop.

    Raises
    ------
    LabError
        If another machine could reach it without a token, the port is none, or a limit is not
        positive.

    """

    host: str = "127.0.0.1"
    port: int = 8080
    token: str | None = None
    max_body_bytes: int = 256_000
    max_question_chars: int = 8_000
    max_concurrent: int = 64
    log_questions: bool = False
    drain_s: int = 30

    def __post_init__(self) -> None:
        if self.host not in LOOPBACK and not self.token:
            raise LabError(
                f"host {self.host!r} can be reached from other machines, so the server needs a"
                " token: name the environment variable that holds it with --token-env, or listen on"
                " 127.0.0.1."
            )
        if not 1 <= self.port <= 65535:
            raise LabError(
                f"port must be within 1 to 65535, got {self.port!r}. Name another with --port."
            )
        for name in ("max_body_bytes", "max_question_chars", "max_concurrent", "drain_s"):
            if getattr(self, name) < 1:
                raise LabError(f"{name} must be at least 1, got {getattr(self, name)!r}.")
