"""The whole life of orders, whatever happens in whatever order: the service does as its model."""

import asyncio
import os
import secrets
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test
from support.order_life_machine import OrderLife
from support.order_life_world import world
from support.service_databases import ServiceDatabases

# With the seed of a run that has failed it takes the same steps again.
SEED = os.environ.get("ZIKAO_ORDER_LIFE_SEED")
# What fails is made as short as it can be, which takes minutes.
PHASES = [Phase.generate, *([Phase.shrink] if "ZIKAO_ORDER_LIFE_SHRINK" in os.environ else [])]
LEAST_STEPS = int(os.environ.get("ZIKAO_ORDER_LIFE_STEPS", "2000"))
STEPS_PER_EXAMPLE = 80
# Some find nothing to which they could happen.
COUNTED_PER_EXAMPLE = 70
SEEDS = 2**32


@pytest.fixture
def running_world(
    service_databases: ServiceDatabases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """One service for all examples, in one event loop."""
    with asyncio.Runner() as runner:
        opened = world(service_databases.clone, tmp_path, monkeypatch)
        OrderLife.world, OrderLife.runner = runner.run(opened.__aenter__()), runner
        yield
        runner.run(opened.__aexit__(None, None, None))
        runner.run(service_databases.drop(OrderLife.world.running.dsn))


def live(chosen: int, steps: int) -> None:
    """Some examples of about so many steps, the same for the same seed and number."""
    run_state_machine_as_test(
        seed(chosen)(OrderLife),
        settings=settings(
            max_examples=2 + steps // COUNTED_PER_EXAMPLE,
            stateful_step_count=STEPS_PER_EXAMPLE,
            derandomize=False,
            database=None,
            deadline=None,
            phases=PHASES,
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.usefixtures("running_world")
def test_orders_live_as_their_model_says(capsys: pytest.CaptureFixture[str]) -> None:
    """Thousands of steps in many orders: after each the service is as the model, to the seat.

    Others in each run; those that fail are printed with the ZIKAO_ORDER_LIFE_SEED to take them
    again. With ZIKAO_ORDER_LIFE_STEPS there are so many.
    """
    first = int(SEED) if SEED else secrets.randbelow(SEEDS)
    happened, chosen = OrderLife.happened, first
    try:
        while (left := LEAST_STEPS - happened.total()) > 0:
            live(chosen, left)
            chosen += 1
    except BaseException as error:
        error.add_note(f"the same steps again: ZIKAO_ORDER_LIFE_SEED={first}")
        raise
    which = ", ".join(f"{count} {what}" for what, count in happened.most_common())
    with capsys.disabled():
        sys.stdout.write(
            f"\n[test] lives of orders from seed {first}: {happened.total()} steps: {which}\n"
        )
    assert happened.total() >= LEAST_STEPS
    assert happened["replica_goes_or_comes"] >= LEAST_STEPS // 100
