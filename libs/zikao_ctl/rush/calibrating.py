"""The search for the peak: more and more is wanted, and then a little more than can be."""

from __future__ import annotations

import time
from collections.abc import Sequence

from zikao_ctl.rush.browsing import Browser
from zikao_ctl.rush.sending import Sender
from zikao_ctl.rush.submissions import Submission

STEP_FACTOR, STEP_SECONDS, WARMING_STEPS = 1.25, 0.75, 3
# After the last step it waits so long for the word to hold; then it is over.
HELD_WITHIN_SECONDS = 5.0


class Steps:
    """What a generator wants until the monotonic time `ends`."""

    def __init__(self, sender: Sender, browser: Browser) -> None:
        self.ends = 0.0
        self._sender = sender
        self._browser = browser

    def go_up(
        self, submissions: Sequence[Submission], begins: float, rate: float, seconds: float
    ) -> None:
        """Steps of STEP_SECONDS, each 1.25 times the last one, after some at the first rate."""
        self.ends = begins + seconds + HELD_WITHIN_SECONDS
        at, step_ends = begins, begins + WARMING_STEPS * STEP_SECONDS
        for each in submissions:
            if at >= begins + seconds:
                break
            self._sender.add(at, each)
            at += 1 / rate
            if at >= step_ends:
                rate, step_ends = rate * STEP_FACTOR, step_ends + STEP_SECONDS

    def hold(
        self, submissions: Sequence[Submission], begins: float, ends: float, rate: float
    ) -> None:
        """Go up no further: of those who have not come yet `rate` a second come, until `ends`.

        As at an opening, some of them look where seats are.
        """
        for each in self._sender.forget_due():
            if each.tries:
                self._sender.add_again(time.monotonic(), each)
        self.ends = ends
        fresh = [each for each in submissions if not each.tries]
        for number, each in enumerate(fresh[: round((ends - begins) * rate)]):
            at = begins + number / rate
            self._sender.add(at, each)
            if each.candidate.browses:
                self._browser.look(each.candidate, at)
