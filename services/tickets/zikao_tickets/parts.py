"""What the methods of the service work with, put together by `main`."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property, partial

from zikao_kit.admission import OneAtATime
from zikao_kit.clock import Clock
from zikao_kit.counting import Counting
from zikao_kit.crypto import KeyRing
from zikao_kit.db import Database, Transaction
from zikao_kit.errors import FieldProblem
from zikao_kit.tokens import Actor

from zikao_tickets.commands.apply_session import Unprintable
from zikao_tickets.commands.correct_site import correct_site
from zikao_tickets.commands.issue_version import issue_version
from zikao_tickets.commands.publish_arrangements import publish_arrangements
from zikao_tickets.commands.set_room_use import set_room_use
from zikao_tickets.commands.start_arrangement import Starting
from zikao_tickets.commands.supply_glyph import supply_glyph
from zikao_tickets.config import VERSIONS_PER_OFFICER
from zikao_tickets.document_press import DocumentPress
from zikao_tickets.domain.glyphs import Pictures, SupplyGlyph
from zikao_tickets.domain.person import seed_context
from zikao_tickets.domain.printed_texts import (
    FieldText,
    field_text_problems,
    session_texts,
    site_text_problems,
    site_texts,
)
from zikao_tickets.domain.publication import PublishArrangements
from zikao_tickets.domain.rooms import SetRoomUse
from zikao_tickets.domain.session import Session, Site
from zikao_tickets.domain.site_correction import CorrectSite
from zikao_tickets.domain.site_problems import SiteProblem
from zikao_tickets.domain.states import Arrangement
from zikao_tickets.domain.statistics import TicketFigures
from zikao_tickets.domain.versions import IssueTemporaryTicket, ReissueTicket
from zikao_tickets.operation_views import OperationViews
from zikao_tickets.rendering import RenderPool
from zikao_tickets.signing import ProofSigner
from zikao_tickets.store import OfficeStore
from zikao_tickets.stores.arrangements import ArrangementStore
from zikao_tickets.stores.arranging import ArrangingStores
from zikao_tickets.stores.document_items import DocumentItemStore
from zikao_tickets.stores.documents import DocumentStore
from zikao_tickets.stores.glyphs import GlyphStore
from zikao_tickets.stores.offices import office_audit
from zikao_tickets.stores.proof_keys import ProofKeyStore
from zikao_tickets.stores.sessions import SessionStore
from zikao_tickets.stores.sites import SiteStore
from zikao_tickets.stores.statistics import count_figures
from zikao_tickets.stores.tickets import TicketStore
from zikao_tickets.stores.versions import VersionStore


@dataclass(frozen=True)
class Parts:
    """One of each for a process."""

    db: Database
    keys: KeyRing
    clock: Clock
    pool: RenderPool
    signer: ProofSigner
    office_action_lifetime: timedelta
    versions_per_officer: int = VERSIONS_PER_OFFICER
    prints: OneAtATime = field(default_factory=OneAtATime)
    glyphs: Pictures = field(default_factory=Pictures)

    @cached_property
    def operations(self) -> OperationViews:
        """How operations go, for those who watch."""
        return OperationViews(self.db)

    @cached_property
    def statistics(self) -> Counting[TicketFigures]:
        """How it goes, in numbers."""
        return Counting(self.db, self.clock, count_figures)

    def tickets(self, tx: Transaction) -> TicketStore:
        """The ticket store of a transaction."""
        return TicketStore(tx, self.keys)

    def documents(self, tx: Transaction) -> DocumentStore:
        """The store of documents, in a transaction."""
        return DocumentStore(tx, self.keys)

    def document_items(self, tx: Transaction) -> DocumentItemStore:
        """The store of what documents show, in a transaction."""
        return DocumentItemStore(tx, self.keys)

    def press(self) -> DocumentPress:
        """Makes documents; one of a process."""
        return DocumentPress(self.db, self.keys, self.clock, self.pool, self.signer, self.glyphs)

    def offices(self, tx: Transaction) -> OfficeStore:
        """Acts of offices in a transaction, and who carries them out, by name."""
        versions = VersionStore(tx), SessionStore(tx), self.versions_per_officer
        return OfficeStore(
            tx,
            {
                SetRoomUse.name: partial(set_room_use, SiteStore(tx)),
                CorrectSite.name: partial(correct_site, SiteStore(tx), VersionStore(tx)),
                PublishArrangements.name: partial(publish_arrangements, ArrangingStores.of(tx)),
                SupplyGlyph.name: partial(supply_glyph, self.glyph_store(tx)),
                ReissueTicket.name: partial(issue_version, *versions),
                IssueTemporaryTicket.name: partial(issue_version, *versions),
            },
        )

    def starting(self, tx: Transaction, actor: Actor) -> Starting:
        """What arrangements are started with, in a transaction."""
        now = self.clock.now()
        return Starting(ArrangementStore(tx), office_audit(tx), self.keys, actor, now)

    async def site_text_problems(self, sites: Sequence[Site]) -> list[SiteProblem]:
        """What of the sites no ticket could show."""
        texts = site_texts(sites)
        found = await self.pool.text_problems([text.printed for text in texts])
        return [*site_text_problems(texts, found)]

    async def unprintable(self, session: Session, sites: Sequence[Site]) -> Unprintable:
        """What of a session and its sites no ticket could show."""
        of_session = await self.text_problems(session_texts(session))
        return Unprintable(of_session, await self.site_text_problems(sites))

    async def text_problems(self, texts: Sequence[FieldText]) -> list[FieldProblem]:
        """What of the fields of a request no ticket could show."""
        found = await self.pool.text_problems([text.printed for text in texts])
        return [*field_text_problems(texts, found)]

    def glyph_store(self, tx: Transaction) -> GlyphStore:
        """The store of names and pictures, in a transaction."""
        return GlyphStore(tx, self.keys)

    def proof_keys(self, tx: Transaction) -> ProofKeyStore:
        """The store of the proof's keys, in a transaction."""
        return ProofKeyStore(tx, self.keys)

    def revealed_seed(self, arrangement: Arrangement) -> bytes:
        """The seed once it may be known, else nothing."""
        if not arrangement.is_revealed:
            return b""
        return self.keys.decrypt(arrangement.seed_enc, seed_context(arrangement.arrangement_id))
