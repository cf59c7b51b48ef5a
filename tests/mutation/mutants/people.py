"""What keeps logins, reviews and numbers of people right (registration)."""

from mutation.mutant import Catch, Cut, Mutant

R = "services/registration/zikao_registration"
TESTS = "tests/integration/test_registration"
LOGINS = f"{TESTS}_open_logins.py"
REVIEWS = f"{TESTS}_reviews.py"
PASSWORDS = "tests/unit/registration/test_passwords.py"

PEOPLE = (
    Mutant(
        "refresh-once",
        "A refresh token is used up by the next pair",
        "Any token of the login will do, used up or not",
        "Who has copied a token stays logged in beside its owner for hours",
        (
            Cut(
                f"{R}/domain/open_logins.py",
                "        is_last = self.is_of(login)"
                " and hmac.compare_digest(login.refresh_sha256, self.sha256)\n",
                "        is_last = self.is_of(login)\n",
            ),
        ),
        (
            Catch(
                f"{LOGINS}::test_a_used_refresh_token_ends_the_login",
                "DID NOT RAISE AioRpcError",
                'assert (await portal.refused(refreshing(first))).reason == "LOGIN_ENDED"',
            ),
        ),
    ),
    Mutant(
        "reuse-ends-login",
        "A refresh token that comes twice ends the login, for whoever has the newer one",
        "It is refused, and nothing ends",
        "A thief who was first goes on; the owner is told to log in again, and no more",
        (
            Cut(
                f"{R}/commands/refresh_login.py",
                "await accounts.logins.revoke(login.login_id, login.account_id, self.now)",
                "await store.sessions.hold()",
            ),
        ),
        (
            Catch(
                f"{LOGINS}::test_a_used_refresh_token_ends_the_login",
                "DID NOT RAISE AioRpcError",
                "assert await is_out(portal, second)",
            ),
        ),
    ),
    Mutant(
        "refresh-callers",
        "A refresh token is good only through the system that the login began through",
        "Through any system",
        "What leaks in one portal is used at another",
        (
            Cut(
                f"{R}/domain/open_logins.py",
                "        return is_last and login.caller == caller\n",
                "        return is_last\n",
            ),
        ),
        (
            Catch(
                f"{LOGINS}::test_a_refresh_token_is_the_callers",
                "DID NOT RAISE AioRpcError",
                'assert (await other.refused(refreshing(tokens))).reason == "LOGIN_ENDED"',
            ),
        ),
    ),
    Mutant(
        "refresh-locked",
        "A login is locked while its token is exchanged: of two at once one wins",
        "Both read the same token, and both get a pair",
        "Two people with one login, and no trace of it",
        (
            Cut(
                f"{R}/sql/queries/logins.sql",
                "WHERE login_id = $1\nFOR UPDATE;",
                "WHERE login_id = $1;",
            ),
        ),
        (
            Catch(
                f"{LOGINS}::test_two_refreshes_that_meet_are_seen",
                "assert DID NOT RAISE AioRpcError == 'LOGIN_ENDED'",
            ),
        ),
    ),
    Mutant(
        "review-leased",
        "A registration is on one officer's desk until the lease has passed",
        "Every officer gets it",
        "Two officers look at the same papers, and one decides for nothing",
        (
            Cut(
                f"{R}/sql/queries/reviews.sql",
                "            OR candidate.leased_until <= $5\n",
                "            OR $5::timestamptz IS NOT NULL\n",
            ),
        ),
        (
            Catch(
                f"{REVIEWS}::test_only_the_holder_looks_and_decides",
                "Left contains one more item: candidate_id:",
                "assert (await other.call(lease_request())).registrations == []",
            ),
        ),
    ),
    Mutant(
        "review-of-holder",
        "Only who holds the lease decides",
        "Any officer of the county does",
        "Decisions by who has not seen the papers",
        (
            Cut(
                f"{R}/domain/reviewing.py",
                "    before.require_lease(officer_id, decision.decided_at)\n",
                "",
            ),
        ),
        (
            Catch(
                f"{REVIEWS}::test_only_the_holder_looks_and_decides",
                "DID NOT RAISE AioRpcError",
                'assert (await other.refused(request)).reason == "LEASE_LOST"',
            ),
        ),
    ),
    Mutant(
        "review-locked",
        "A registration is locked before anybody decides by its state",
        "It is read without a lock",
        "Approved and rejected at once: a number for whom the office has turned away",
        (
            Cut(
                f"{R}/sql/queries/reviews.sql",
                "WHERE candidate_id = ANY ($1::uuid[])\nORDER BY candidate_id\nFOR UPDATE;",
                "WHERE candidate_id = ANY ($1::uuid[])\nORDER BY candidate_id;",
            ),
        ),
        (
            Catch(
                f"{TESTS}_approvals.py::test_a_list_and_a_single_decision_meet",
                "At index 1 diff: 'approved' != 'STATE_NOT_ALLOWED'",
            ),
        ),
    ),
    Mutant(
        "four-eyes",
        "The second approval is another officer's than the first",
        "The first officer gets it on the desk again",
        "One officer alone admits whom he likes",
        (
            Cut(
                f"{R}/sql/queries/reviews.sql",
                "        AND candidate.first_approved_by IS DISTINCT FROM $1\n",
                "",
            ),
        ),
        (
            Catch(
                f"{TESTS}_four_eyes.py::test_a_second_officer_confirms",
                "Left contains one more item: candidate_id:",
                "assert (await first.call(lease_request())).registrations == []",
            ),
        ),
    ),
    Mutant(
        "serials-locked",
        "The last serial of a county is locked while numbers are given; the keys of numbers stand"
        " behind it",
        "It is read without a lock",
        "Under load every second list of approvals breaks off; without the keys two people"
        " would have one number",
        (
            Cut(
                f"{R}/sql/queries/reviews.sql",
                "INSERT INTO registration.ticket_serial AS serial"
                " (session_code, county_code, last_serial)\n"
                "SELECT wanted.session_code, wanted.county_code, 0\n"
                "FROM unnest($1::text[], $2::text[]) AS wanted (session_code, county_code)\n"
                "ORDER BY wanted.session_code, wanted.county_code\n"
                "ON CONFLICT (session_code, county_code)"
                " DO UPDATE SET last_serial = serial.last_serial\n"
                "RETURNING serial.session_code, serial.county_code, serial.last_serial;",
                "WITH added AS (INSERT INTO registration.ticket_serial\n"
                "SELECT wanted.session_code, wanted.county_code, 0\n"
                "FROM unnest($1::text[], $2::text[]) AS wanted (session_code, county_code)\n"
                "ON CONFLICT (session_code, county_code) DO NOTHING RETURNING *)\n"
                "SELECT * FROM added UNION ALL\n"
                "SELECT serial.session_code, serial.county_code, serial.last_serial\n"
                "FROM registration.ticket_serial AS serial\n"
                "WHERE (serial.session_code, serial.county_code)"
                " IN (SELECT * FROM unnest($1::text[], $2::text[]));",
            ),
        ),
        (
            Catch(
                f"{TESTS}_approvals.py::test_two_lists_that_meet_are_numbered_in_turn",
                "INTERNAL",
                "assert isinstance(answer, review.ApproveRegistrationsResponse), answer",
            ),
        ),
    ),
    Mutant(
        "leaked-passwords",
        "Thousands of passwords that leaked elsewhere are refused",
        "Only a hundred that people here choose are",
        "Whoever tries the lists that everybody has gets into accounts",
        (
            Cut(
                f"{R}/domain/passwords.py",
                'FREQUENCY_LISTS["passwords"] if len(each) >= PASSWORD_MIN_CHARACTERS',
                "FREQUENCY_LISTS if len(each) >= PASSWORD_MIN_CHARACTERS",
            ),
        ),
        (
            Catch(
                f"{PASSWORDS}::test_thousands_that_leaked_elsewhere_are_refused",
                "DID NOT RAISE DomainError",
                "with pytest.raises(DomainError):",
            ),
        ),
    ),
    Mutant(
        "system-words",
        "What is made of names of this system, digits and signs is no password",
        "It is one",
        "zikao@2026 is the first that anybody tries here, and on no list",
        (
            Cut(
                f"{R}/domain/passwords.py",
                '    if _OF_CONTEXT.fullmatch(_NO_LETTERS.sub("", lowered)):\n',
                "    if not lowered:\n",
            ),
        ),
        (
            Catch(
                f"{PASSWORDS}::test_guessable_passwords_are_refused",
                "DID NOT RAISE DomainError",
                "with pytest.raises(DomainError) as refused:",
            ),
        ),
    ),
)
