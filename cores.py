"""The cores of the service, each with the stores it works on."""

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass

from config import Config
from session_service.core.accounts import Accounts
from session_service.core.chats import Chats
from session_service.core.conversations import Conversations
from session_service.core.files import Files
from session_service.core.inbox import Inbox
from session_service.core.index_pool import IndexPool
from session_service.core.leaving import Leaving
from session_service.core.login import Login
from session_service.core.login_limit import LoginLimit
from session_service.core.message_log import MessageLog
from session_service.core.message_sessions import MessageSessions
from session_service.core.notes import Notes
from session_service.core.orders import Orders
from session_service.core.people import People
from session_service.core.rebuilding import Rebuilding
from session_service.core.sessions import Sessions
from session_service.core.standing import Standing
from session_service.core.waiting import Waiters
from session_service.file_types import sniff
from session_service.housekeeping import Keeper
from session_service.knowledge.text_index import Text, TextIndex
from session_service.metrics.measures import Metrics
from session_service.models import Note, ReplyEngine, Session
from session_service.native import beside_the_loop
from session_service.passwords import Argon2Passwords
from session_service.replies import load_engine
from session_service.replies.openai_settings import OpenAISettings
from session_service.replies.responder import Responder
from session_service.store.accounts import AccountStore
from session_service.store.attempts import AttemptStore
from session_service.store.chats import ChatStore
from session_service.store.conversations import ConversationStore
from session_service.store.database import Database
from session_service.store.files import FileStore
from session_service.store.index_pool import IndexPoolStore
from session_service.store.message_sessions import MessageSessionStore
from session_service.store.notes import NoteStore
from session_service.store.sessions import SessionStore
from session_service.store.standing import StandingStore


@dataclass(frozen=True, slots=True)
class Cores:
    """What the dialects and command lines call; `keepers` leave work for later."""

    standing: Standing
    accounts: Accounts
    login: Login
    sessions: Sessions
    chats: Chats
    conversations: Conversations
    orders: Orders
    message_sessions: MessageSessions
    inbox: Inbox
    rebuilding: Rebuilding
    people: People
    files: Files
    index_pool: IndexPool
    notes: Notes
    leaving: Leaving
    keepers: tuple[Keeper, ...]


def build(config: Config, database: Database, metrics: Metrics) -> Cores:
    """All of them on one database."""
    standing = Standing(StandingStore(database))
    account_store = AccountStore(database, config.account_id_start)
    accounts = Accounts(
        account_store,
        Argon2Passwords(beside_the_loop),
        clock=now_ms,
        changed=standing.changed,
        registration=config.registration_enabled,
        reserved=[name for name in (config.admin_username, config.admin_email) if name],
    )
    sessions, session_log = sessions_on(database, config, metrics)
    chat_store = ChatStore(database)
    chat_log = MessageLog(chat_store, clock=now_ms, stored=metrics.messages("chats"))
    chats = Chats(chat_store, chat_log, clock=now_ms)
    session_store = MessageSessionStore(database)
    counted = metrics.messages("message_sessions")
    member_log = MessageLog(session_store, clock=now_ms, stored=counted)
    notes = Notes(NoteStore(database), words_of, clock=now_ms)
    pool = IndexPool(IndexPoolStore(database), account_store.find, clock=now_ms)
    people, files = People(account_store), files_on(database, config)
    conversations, orders = conversations_on(database, metrics, people, files)
    return Cores(
        standing=standing,
        accounts=accounts,
        login=Login(accounts, LoginLimit(AttemptStore(database), clock=now_ms)),
        sessions=sessions,
        chats=chats,
        conversations=conversations,
        orders=orders,
        message_sessions=MessageSessions(session_store, member_log, clock=now_ms),
        inbox=Inbox(session_store, clock=now_ms),
        rebuilding=Rebuilding(session_store, member_log.delete_cleared),
        people=people,
        files=files,
        index_pool=pool,
        notes=notes,
        leaving=Leaving(accounts, sessions, chats, notes, pool),
        keepers=(session_log, chat_log, files, pool),  # nobody deletes other logs
    )


def sessions_on(
    database: Database, config: Config, metrics: Metrics
) -> tuple[Sessions, MessageLog[Session]]:
    """The sessions, and the log of their chats."""
    store = SessionStore(database)
    log = MessageLog(store, clock=now_ms, stored=metrics.messages("sessions"))
    patience_s = config.reply_timeout_s + 5
    replies = responder(config, metrics)
    return Sessions(store, log, replies, clock=now_ms, patience_s=patience_s), log


def conversations_on(
    database: Database, metrics: Metrics, people: People, files: Files
) -> tuple[Conversations, Orders]:
    """The conversations of people, and those that orders make."""
    store = ConversationStore(database)
    log = MessageLog(store, clock=now_ms, stored=metrics.messages("conversations"))
    waiters = Waiters(store.seqs, store.commits)
    conversations = Conversations(store, log, people, waiters, files, clock=now_ms)
    return conversations, Orders(store, conversations)


def words_of(notes: Sequence[Note]) -> TextIndex:
    """An index of notes by their words."""
    return TextIndex(Text(each.id, each.title or "", each.content) for each in notes)


def files_on(database: Database, config: Config) -> Files:
    """The files that conversations show."""
    limits = config.limits
    return Files(
        FileStore(database),
        sniff,
        most=limits.upload_bytes,
        quota=limits.upload_quota_bytes,
        clock=now_ms,
    )


def responder(config: Config, metrics: Metrics) -> Responder:
    """Who makes the automatic replies, within the time that the configuration gives."""
    return Responder(
        reply_engine(config),
        timeout_s=config.reply_timeout_s,
        fallback=config.reply_fallback,
        tell=metrics.replies(config.reply_engine),
    )


def reply_engine(config: Config) -> ReplyEngine:
    """The engine the configuration names; raises ServiceError where it cannot be started."""
    openai = OpenAISettings(
        base_url=config.openai_base_url,
        api_key=config.openai_api_key,
        model=config.openai_model,
        system_prompt=config.openai_system_prompt,
        context_tokens=config.openai_context_tokens,
        max_tokens=config.openai_max_tokens,
        temperature=config.openai_temperature,
        timeout_s=config.reply_timeout_s,
    )
    return load_engine(
        config.reply_engine,
        rules_file=config.reply_rules_file,
        openai=openai,
        environ=os.environ,
    )


def now_ms() -> int:
    """The time in ms since 1970."""
    return time.time_ns() // 1_000_000
