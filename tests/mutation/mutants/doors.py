"""What keeps each to what is theirs: permissions, tokens, second officers, encryption (the kit)."""

from mutation.mutant import Catch, Cut, Mutant

KIT = "libs/zikao_kit"
UNIT = "tests/unit/kit"
IN_ENROLLMENT = "tests/integration/test_enrollment_two_officers.py"
IN_TICKETS = "tests/integration/test_tickets_two_officers.py"
TWO_OFFICERS = "test_an_act_waits_for_another_officer"
OTHER_OFFICER = "coalesce(decided_by <> proposed_by, false)"
CHECKS_OF_TWO = tuple(
    Cut(f"services/{file}", OTHER_OFFICER, "decided_by IS NOT NULL")
    for file in (
        "enrollment/zikao_enrollment/sql/migrations/0005_pre_create_office_actions.sql",
        "tickets/zikao_tickets/sql/migrations/0002_pre_sites_and_offices.sql",
    )
)
PROPOSER_REFUSED = Cut(
    f"{KIT}/office_acts.py",
    "        if confirm and officer == self.proposed_by:\n"
    '            raise DomainError("SECOND_OFFICER_NEEDED")\n',
    "",
)

DOORS = (
    Mutant(
        "denied-by-default",
        "A method whose contract does not say who may call it is refused for everybody",
        "It is judged by what it says: nothing",
        "A method that somebody forgot to protect is open to who guesses its name",
        (
            Cut(
                f"{KIT}/policy.py",
                "        if not self.stated:\n"
                "            raise DomainError(METHOD_NOT_PERMITTED)\n",
                "        if not self.stated and token_actor is not None:\n"
                "            return token_actor\n",
            ),
        ),
        (
            Catch(
                f"{UNIT}/test_policy.py::test_method_without_option_admits_nobody",
                "Actual message: 'PERMISSION_DENIED'",
            ),
        ),
    ),
    Mutant(
        "token-of-caller",
        "An access token is good only through the system that it was issued to",
        "Through any system with a certificate",
        "A token that leaks in one portal opens all",
        (
            Cut(
                f"{KIT}/tokens.py",
                'verified.party in ("", caller)',
                'verified.party != "-"',
            ),
        ),
        (
            Catch(
                f"{UNIT}/test_tokens.py::test_a_token_is_good_through_its_own_system_alone",
                "DID NOT RAISE DomainError",
                'with pytest.raises(DomainError, match="TOKEN_INVALID"):',
            ),
        ),
    ),
    Mutant(
        "second-officer",
        "Who has proposed an act does not confirm it",
        "He may; a CHECK of the kept acts refuses still, and says less",
        "An officer is told of a fault where a rule has to be explained",
        (PROPOSER_REFUSED,),
        (
            Catch(
                f"{IN_ENROLLMENT}::{TWO_OFFICERS}", "assert 'INTERNAL' == 'SECOND_OFFICER_NEEDED'"
            ),
            Catch(f"{IN_TICKETS}::{TWO_OFFICERS}", "assert 'INTERNAL' == 'SECOND_OFFICER_NEEDED'"),
        ),
    ),
    Mutant(
        "second-officer-check",
        "A CHECK refuses an act that one officer has proposed and confirmed",
        "The CHECK allows it",
        "The last line is gone: any mistake in deciding acts makes one officer enough",
        CHECKS_OF_TWO,
        (
            Catch(f"{IN_ENROLLMENT}::{TWO_OFFICERS}", "DID NOT RAISE CheckViolationError"),
            Catch(f"{IN_TICKETS}::{TWO_OFFICERS}", "DID NOT RAISE CheckViolationError"),
        ),
    ),
    Mutant(
        "second-officer-and-check",
        "Rule and CHECK of the second officer cover one another",
        "Both are gone",
        "One officer alone closes a county, moves seats, pays back",
        (PROPOSER_REFUSED, *CHECKS_OF_TWO),
        (
            Catch(
                f"{IN_ENROLLMENT}::{TWO_OFFICERS}",
                "DID NOT RAISE AioRpcError",
                'assert (await first.refused(decision(action))).reason == "SECOND_OFFICER_NEEDED"',
            ),
            Catch(
                f"{IN_TICKETS}::{TWO_OFFICERS}",
                "DID NOT RAISE AioRpcError",
                'assert (await first.refused(decision(action))).reason == "SECOND_OFFICER_NEEDED"',
            ),
        ),
    ),
    Mutant(
        "sealed-in-place",
        "An encrypted value is bound to its row and column",
        "It is readable wherever it is put",
        "Who may write to the database has one person's number shown as another's",
        (
            Cut(
                f"{KIT}/crypto.py",
                "        associated = header + context.encode()\n",
                "        associated = header\n",
            ),
            Cut(
                f"{KIT}/crypto.py",
                "            return cipher.decrypt(nonce, ciphertext, header + context.encode())\n",
                "            return cipher.decrypt(nonce, ciphertext, header)\n",
            ),
        ),
        (
            Catch(
                f"{UNIT}/test_crypto.py::test_a_blob_moved_to_another_row_does_not_decrypt",
                "DID NOT RAISE DecryptionFailed",
            ),
        ),
    ),
)
