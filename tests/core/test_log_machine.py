"""Whatever happens between two operations of the database, readers and senders find order."""

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import rule, run_state_machine_as_test

from session_service.models import LogState, Session
from session_service.store.sessions import SessionStore
from tests.core.conversation_machine import ConversationMachine
from tests.core.log_machine import LogMachine, engines
from tests.core.orders import Order
from tests.core.processes import Piecemeal

SETTINGS = settings(
    max_examples=40,
    stateful_step_count=15,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    phases=(Phase.reuse, Phase.generate, Phase.shrink),
)


class PiecemealSessions(Piecemeal, SessionStore):
    """Sessions from the hands of a database that does things one after the other."""


class SessionMachine(LogMachine):
    """Messages of one user, each with its automatic reply."""

    text_field = "chat_content"

    def __init__(self) -> None:
        super().__init__()
        self.store = PiecemealSessions(self.world.database)
        self.reader = self.sessions = SessionStore(self.world.database)

    def open_log(self) -> None:
        session_id, now = self.new_id(), self.world.now
        self.sessions.insert_session(Session(session_id, "1", "", now, now, LogState(session_id)))
        self.watch(session_id)

    def content(self, text: str) -> dict[str, str]:
        return {"user_id": "1", **super().content(text)}

    @rule(target=LogMachine.ordered, engine=engines)
    def send_message(self, engine: str) -> Order:
        return self.send(Order(self.log, self.draft("user"), engine))


def test_session_is_in_order_whatever_happens() -> None:
    run_state_machine_as_test(SessionMachine, settings=SETTINGS)


def test_conversation_is_in_order_whatever_happens() -> None:
    run_state_machine_as_test(ConversationMachine, settings=SETTINGS)
