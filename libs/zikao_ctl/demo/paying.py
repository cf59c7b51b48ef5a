"""Act 4: payments, of which the platform's word comes late, twice and in any order."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from google.protobuf.duration_pb2 import Duration
from zikao.enrollment.v1 import enrollment_service_pb2 as enrollment
from zikao.enrollment.v1 import types_pb2 as types
from zikao.sandbox.v1 import sandbox_service_pb2 as sandbox
from zikao_client import new_request_id, patiently

from zikao_ctl.demo.people import Role
from zikao_ctl.demo.stage import Player, Stage, StoryBroken

PAYING = "pay"
SETTLING_SECONDS = 60.0
WORST_DELAY = Duration(nanos=500_000_000)


async def misbehave(stage: Stage) -> None:
    """From now on every word of a payment comes twice, late, and in any order."""
    request = sandbox.SetBehaviourRequest(
        request_id=new_request_id(), max_delay=WORST_DELAY, copies=2, reorder=True
    )
    await patiently(lambda: stage.sandbox.SetBehaviour(request))


async def pay(stage: Stage, players: Sequence[Player]) -> None:
    """All pay but those whose part it is not to; one pays twice; wait until it is settled."""
    prompt = [p for p in players if p.person.role not in (Role.PAYS_LATE, Role.NEVER_PAYS)]

    async def play(player: Player) -> None:
        code = await create_payment(stage, player)
        for _ in range(2 if player.person.role is Role.PAYS_TWICE else 1):
            await pay_code(stage, code)
        await until_confirmed(stage, player)

    await stage.each(PAYING, prompt, play)
    for player in prompt:
        if player.person.role is Role.PAYS_TWICE:
            await until_refunded(stage, player)


async def let_holds_end(stage: Stage, players: Sequence[Player]) -> None:
    """Two have not paid in time: their seats go back. One then pays all the same."""
    late = [p for p in players if p.person.role in (Role.PAYS_LATE, Role.NEVER_PAYS)]
    if not late:
        return
    codes: dict[str, str] = {}
    for player in late:
        codes[player.candidate_id] = await create_payment(stage, player)
    await stage.move_to(stage.now() + stage.session.hold + timedelta(minutes=1))
    for player in late:
        await stage.log_in(player)
        await until_released(stage, player)
        stage.say(f"{player.person.name} did not pay in time: the seats are free again")
    for player in late:
        if player.person.role is Role.PAYS_LATE:
            await pay_code(stage, codes[player.candidate_id], after_close=True)
            await until_confirmed(stage, player)
            stage.say(f"{player.person.name} pays late: the seats are still free and taken again")


async def create_payment(stage: Stage, player: Player) -> str:
    """The payment code (缴款码) of the player's order."""
    assert player.order is not None, "a player pays after the opening"
    request = enrollment.CreatePaymentRequest(
        request_id=new_request_id(), order_id=player.order.order_id
    )
    metadata = player.metadata
    answer = await patiently(
        lambda: stage.zikao.enrollment.CreatePayment(request, metadata=metadata)
    )
    return answer.payment_code


async def pay_code(stage: Stage, code: str, *, after_close: bool = False) -> None:
    """Pay at the platform, as a candidate's bank does."""
    request = sandbox.PayOrderRequest(
        request_id=new_request_id(), payment_code=code, after_close=after_close
    )
    await patiently(lambda: stage.sandbox.PayOrder(request))


async def until_released(stage: Stage, player: Player) -> None:
    """Wait until the seats have gone back."""
    await stage.until(
        f"{player.person.name}'s seats go back",
        lambda: is_state(stage, player, types.ORDER_STATE_RELEASED),
        SETTLING_SECONDS,
    )


async def until_confirmed(stage: Stage, player: Player) -> None:
    """Wait until the player is enrolled."""
    await stage.until(
        f"{player.candidate_id} is enrolled",
        lambda: is_state(stage, player, types.ORDER_STATE_CONFIRMED),
        SETTLING_SECONDS,
    )
    stage.count("confirmed")


async def until_refunded(stage: Stage, player: Player) -> None:
    """Wait until the second payment has gone back."""

    async def check() -> bool:
        refunds = (await current_order(stage, player)).refunds
        return bool(refunds) and all(r.state == types.REFUND_STATE_REFUNDED for r in refunds)

    await stage.until(f"{player.candidate_id} has the money back", check, SETTLING_SECONDS)
    refunds = (await current_order(stage, player)).refunds
    stage.count("refunded", len(refunds))
    yuan = sum(refund.amount_fen for refund in refunds) / 100
    stage.say(f"{player.person.name} paid twice and has {yuan:.2f} yuan back")


async def is_state(stage: Stage, player: Player, state: types.OrderState.ValueType) -> bool:
    """Whether the player's order stands so."""
    return (await current_order(stage, player)).state == state


async def current_order(stage: Stage, player: Player) -> types.Order:
    """The player's only order as it stands now."""
    request, metadata = (
        enrollment.ListOrdersRequest(session_code=stage.session.code),
        player.metadata,
    )
    answer = await patiently(lambda: stage.zikao.enrollment.ListOrders(request, metadata=metadata))
    if len(answer.orders) != 1:
        raise StoryBroken(f"{player.candidate_id} has {len(answer.orders)} orders")
    player.order = answer.orders[0]
    return player.order
