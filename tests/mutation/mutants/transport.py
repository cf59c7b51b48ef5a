"""What keeps strangers off a connection, and takes certificates that replace others."""

from mutation.mutant import Catch, Cut, Mutant

KIT = "libs/zikao_kit"

TRANSPORT = (
    Mutant(
        "client-certificate",
        "A server takes only connections with a certificate of the installation",
        "It asks for none",
        "Anybody who reaches the port can call",
        (
            Cut(
                f"{KIT}/certificates.py",
                "require_client_authentication=True",
                "require_client_authentication=False",
            ),
        ),
        (
            Catch(
                "tests/unit/kit/test_tls.py::test_a_client_without_certificate_is_refused",
                "DID NOT RAISE AioRpcError",
                "with pytest.raises(grpc.aio.AioRpcError) as caught:",
            ),
        ),
    ),
    Mutant(
        "callers-list",
        "Whoever is not on a service's list is refused",
        "Everybody is let in",
        "A system that has no business with a service gets as far as its permissions",
        (
            Cut(
                f"{KIT}/callers.py",
                "            raise NotListedError(caller)\n",
                "",
            ),
        ),
        (
            Catch(
                "tests/integration/test_server_callers.py"
                "::test_its_own_list_goes_before_that_of_all_others",
                "assert",
                '        assert await open_as(probe, "portal") == DENIED',
            ),
        ),
    ),
    Mutant(
        "refused-certificates",
        "A certificate that is taken back opens nothing",
        "It is let in as long as its name is",
        "Whoever stole a key calls with it until its certificate ends",
        (
            Cut(
                f"{KIT}/callers.py",
                "            if fingerprint in self._refused:\n",
                "            if False:\n",
            ),
        ),
        (
            Catch(
                "tests/integration/test_server_callers.py::test_a_stolen_certificate_is_refused",
                "assert",
                "            assert await codes_with(probe, files) == denied",
            ),
        ),
    ),
    Mutant(
        "certificate-replaced",
        "A certificate that replaces another is in force at the next look",
        "The one before stays",
        "Certificates end while their successors lie beside them, and every call fails",
        (Cut(f"{KIT}/certificates.py", "        self.current = found\n", ""),),
        (
            Catch(
                "tests/integration/test_server_certificates.py"
                "::test_all_listeners_show_the_new_certificate",
                "TimeoutError",
                "            await until(shown)",
            ),
        ),
    ),
)
