"""Which name a server has to prove, by the address where it is called."""

import pytest
from zikao_kit.server_names import Server, server_at


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("registration.zikao.example.gov.cn:443", "registration.zikao.example.gov.cn"),
        ("Registration.Example.gov.cn.:443", "registration.example.gov.cn"),
        ("registration.example.gov.cn", "registration.example.gov.cn"),
        ("registration.zikao.svc:7100", "registration.zikao.svc"),
        ("dns:///registration.example.gov.cn:443", "registration.example.gov.cn"),
        ("dns://10.0.0.53:53/registration.example.gov.cn:443", "registration.example.gov.cn"),
        ("dns:registration.example.gov.cn:443", "registration.example.gov.cn"),
    ],
)
def test_a_host_proves_its_own_name(address: str, name: str) -> None:
    """A gateway that sees only the name asked for can send the connection on by it."""
    assert server_at(address, "registration").name == name


@pytest.mark.parametrize(
    "address",
    [
        "registration:7100",
        "dns:///registration:7100",
        "localhost:7101",
        "tunnel.localhost:7101",
        "127.0.0.1:7101",
        "dns:///10.0.0.7:7101",
        "[::1]:7101",
        "::1",
        "ipv4:10.0.0.7:7101",
        "ipv4:10.0.0.7:7101,10.0.0.8:7101",
        "ipv6:[::1]:7101",
        "unix:/run/registration.sock",
        "",
    ],
)
def test_where_a_host_has_no_name_the_service_proves_its_own(address: str) -> None:
    """So a service is not taken for another at the same address, nor inside a cluster."""
    assert server_at(address, "registration") == Server(address, "registration")


def test_a_name_that_is_given_comes_before_both() -> None:
    """A tunnel to a gateway, or a host that goes by another name in its certificate."""
    given = server_at("reg.example.gov.cn@127.0.0.1:7101", "registration")
    assert given == Server("127.0.0.1:7101", "reg.example.gov.cn")
    assert server_at("registration@h1.example.gov.cn:1", "x").name == "registration"
    assert server_at(given.address, "enrollment") == given
