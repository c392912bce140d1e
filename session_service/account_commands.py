"""Command lines over accounts: `flask --app app create-admin`, `list-users` and the like."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager

import click
from marshmallow import ValidationError, fields

from schemas.accounts import EmailAddress, Password, Username
from session_service.core.accounts import Accounts
from session_service.errors import ServiceError, Unavailable

REFUSALS = {
    "username_taken": "an account of this name exists; it is not changed",
    "email_taken": "an account of this e-mail exists; it is not changed",
    "last_admin": "this is the last active admin",
    "two_accounts": "USER is one's name and another's id: give the e-mail",
}

AtHand = Callable[[], AbstractContextManager[object]]


def account_commands(
    accounts: Accounts,
    delete: Callable[[int], None],
    revoke: Callable[[str], None],
    at_hand: AtHand,
) -> Sequence[click.Command]:
    """The commands; `at_hand` sees to it that the database runs as long as it is used."""

    def on_account(user: str, act: Callable[[int], None], said: str) -> None:
        with _in_one_line(at_hand):
            account = accounts.get(user)
            act(account.id)
        click.echo(said.format(account))

    @click.command("create-admin")
    @click.argument("username")
    @click.option("--email", help="may stand for the name at logins")
    def create_admin(username: str, email: str | None) -> None:
        """Make an admin; its password is asked for, or read from standard input."""
        name = _sound("USERNAME", Username(), username)
        address = _sound("--email", EmailAddress(), email) if email else None
        password = _asked_password()
        with _in_one_line(at_hand):
            account = accounts.create_admin(name, address, password)
        click.echo(f"admin {account.username!r} has the id {account.id}")

    @click.command("set-password")
    @click.argument("user")
    def set_password(user: str) -> None:
        """Change the password of USER (name, e-mail or id); tokens of before are void."""
        password = _asked_password()
        on_account(
            user,
            lambda account_id: accounts.change_password(account_id, password),
            "the password of {0.username!r} is changed",
        )

    @click.command("disable-user")
    @click.argument("user")
    def disable_user(user: str) -> None:
        """Refuse the logins and tokens of USER (name, e-mail or id) from now on."""
        on_account(user, accounts.disable, "{0.username!r} is disabled")

    @click.command("enable-user")
    @click.argument("user")
    def enable_user(user: str) -> None:
        """Let USER (name, e-mail or id) in again."""
        on_account(user, accounts.enable, "{0.username!r} is enabled")

    @click.command("delete-user")
    @click.argument("user")
    @click.confirmation_option(prompt="Delete the account and all that is its own?")
    def delete_user(user: str) -> None:
        """Delete USER (name, e-mail or id) with its sessions, chats and notes, for good."""

        def announced(account_id: int) -> None:
            click.echo(f"deleting the account {account_id}")  # to be repeated by its id alone
            delete(account_id)

        on_account(user, announced, "the account {0.id} is deleted")

    @click.command("list-users")
    def list_users() -> None:
        """Print all accounts: id, role, status, name, e-mail."""
        with _in_one_line(at_hand):
            for each in accounts.all():
                about = f"{each.id:>8} {each.role:<6} {each.status:<9}"
                click.echo(f"{about} {each.username}  {each.email or ''}".rstrip())

    @click.command("revoke-token")
    def revoke_token() -> None:
        """Make one token void, which is read from standard input."""
        token = sys.stdin.readline().strip()
        with _in_one_line(at_hand):
            revoke(token)
        click.echo("the token is void")

    return (
        create_admin,
        set_password,
        disable_user,
        enable_user,
        delete_user,
        list_users,
        revoke_token,
    )


@contextmanager
def _in_one_line(at_hand: AtHand) -> Iterator[None]:
    """Failures end the process with their one line."""
    try:
        with at_hand():
            yield
    except ServiceError as error:
        why = f" ({error.__cause__})" if isinstance(error, Unavailable) else ""
        sys.exit(f"session-service: {REFUSALS.get(error.code, error)}{why}")


def _asked_password() -> str:
    if sys.stdin.isatty():
        given: str = click.prompt("Password", hide_input=True, confirmation_prompt=True)
    else:
        given = sys.stdin.readline().rstrip("\r\n")
    if not given:
        sys.exit("session-service: password: none was given")
    return _sound("password", Password(), given)


def _sound(name: str, field: fields.Field[str], value: str) -> str:
    try:
        return field.deserialize(value)
    except ValidationError as error:
        sys.exit(f"session-service: {name}: {' '.join(map(str, error.messages))}")
