"""Every check by its name, and the renders it speaks of."""

from __future__ import annotations

from collections.abc import Callable

from support.manifests import configuration, network, pods, scaling, serving
from support.manifests.documents import Documents

Check = Callable[[Documents], list[str]]

# Of everything that is applied.
EVERYWHERE: tuple[Check, ...] = (
    pods.images_are_named,
    pods.bounded,
    pods.restricted,
    pods.off_the_host,
    pods.accounts,
    pods.ports_are_named,
    pods.probed,
    pods.patient_start,
    pods.volumes,
    pods.no_secret_in_clear,
    serving.namespace_is_restricted,
    serving.rolls_without_a_gap,
    serving.known_before_old_ones_go,
    serving.grace_is_enough,
    serving.spread,
    serving.disruptions_are_bounded,
    serving.services_find_pods,
    serving.selectors_agree,
    serving.scaled_by_one,
    serving.steps,
    configuration.configurations_load,
    configuration.files_are_mounted,
    configuration.ports_agree,
    configuration.peers_are_there,
    configuration.peers_are_asked_for_by_their_hosts,
    configuration.commands_exist,
    configuration.references_resolve,
    configuration.callers_are_named,
    network.default_deny,
    network.peers_exist,
    network.policy_ports_exist,
)
# Of what people depend on.
PROVINCE: tuple[Check, ...] = (
    pods.pulled_from_one_registry,
    serving.spread_over_zones,
    scaling.opening_is_prepared,
    scaling.asks_for_what_is_measured,
    scaling.resources_are_measured,
    scaling.pooling_is_possible,
    scaling.connections_suffice,
    scaling.database_survives_a_machine,
    scaling.database_goes_last,
    scaling.certificates_renew,
    scaling.trust_is_apart,
    scaling.certificates_fit,
    scaling.reflection_is_off,
    scaling.gateway_reads_nothing,
)


def checks_of(name: str) -> tuple[Check, ...]:
    """Those that an overlay must hold."""
    return EVERYWHERE + (PROVINCE if name == "overlay-province" else ())
