"""Why a county cannot be arranged as it stands."""


class CannotArrange(Exception):  # noqa: N818 - says what is wrong
    """No arrangement keeps all rules; `in_words` tells the office what is missing."""

    def in_words(self) -> str:
        """Why, in Chinese for the office."""
        raise NotImplementedError


class PublishedMeanwhile(CannotArrange):
    """Another arrangement is in force than the one on which its seed was fixed."""

    def in_words(self) -> str:
        """Why the county cannot be arranged, in Chinese for the office."""
        return "启动后本县区已发布其他编排，请重新启动编排"


class RoomsInsufficient(CannotArrange):
    """A slot needs more rooms than the county has."""

    def __init__(self, slot: int, needed: int, available: int, reserve: int = 0) -> None:
        self.slot = slot
        self.needed = needed
        self.available = available
        self.reserve = reserve
        super().__init__(slot, needed, available, reserve)

    def in_words(self) -> str:
        """Why the county cannot be arranged, in Chinese for the office."""
        reserve = f"（另有备用考场{self.reserve}个）" if self.reserve else ""
        return f"第{self.slot}场需要{self.needed}个考场，仅有{self.available}个{reserve}"


class RoomsNotFound(RoomsInsufficient):
    """None was found within the limits of the search, which does not prove that there is none."""

    def in_words(self) -> str:
        """Why the county cannot be arranged, in Chinese for the office."""
        return (
            f"第{self.slot}场未能在现有{self.available}个考场中排下全部考生"
            "（尚不能断定无法编排），请增加考场"
        )


class AccessibleSeatsMissing(CannotArrange):
    """More people of a slot need an accessible seat than can be given one."""

    def __init__(self, slot: int, needed: int, available: int, site_code: str = "") -> None:
        self.slot = slot
        self.needed = needed
        self.available = available
        self.site_code = site_code
        super().__init__(slot, needed, available, site_code)

    def in_words(self) -> str:
        """Why the county cannot be arranged, in Chinese for the office."""
        where = f"{self.site_code}考点" if self.site_code else ""
        return f"第{self.slot}场{where}需要{self.needed}个无障碍座位，仅能安排{self.available}个"


class TooManyMoved(CannotArrange):
    """People who need accessible seats late could get them only from too many others."""

    def __init__(self, changed: int, moved: int, allowed: int) -> None:
        self.changed = changed
        self.moved = moved
        self.allowed = allowed
        super().__init__(changed, moved, allowed)

    def in_words(self) -> str:
        """Why the county cannot be arranged, in Chinese for the office."""
        return (
            f"变更考生{self.changed}名，安排无障碍座位需调动其他考生{self.moved}人次，"
            f"超过{self.allowed}人次；请在有空位的考场增设无障碍座位，或重新编排全部座位"
        )
