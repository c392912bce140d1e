"""The conversations API: orders that have a conversation."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.dialects.conversing import People, Person, Told, roles

ORDER = {
    "order_type": "kol_order",
    "order_id": "KORD_1698765432000_12345",
    "title": "产品推广视频",
    "status": "confirmed",
    "user_id": 1,
    "kol_user_id": 2,
}


@pytest.fixture
def shop(person: People) -> Person:
    """The order service: a peer whose id is no integer."""
    return person("order-service", role="admin")


def tells(shop: Person, **news: object) -> Told | None:
    conversation: Told | None = shop.ask("order_status_changed", {**ORDER, **news})["conversation"]
    return conversation


def test_a_confirmed_order_has_a_conversation(shop, ann, ben):
    made = tells(shop)
    assert made is not None
    assert made["title"] == "KOL订单: 产品推广视频"
    assert (made["type"], made["related_order_type"]) == ("kol_order", "kol_order")
    assert made["related_order_id"] == ORDER["order_id"]
    assert (made["order_status"], made["status"]) == ("confirmed", "active")
    assert roles(made) == {1: "creator", 2: "member"}
    for member in (ann, ben):
        (listed,) = member.lists(type="kol_order")
        assert listed["id"] == made["id"]
        assert listed["last_message"]["message_type"] == "system"
        (first,), more = member.reads(made["id"])
        assert (first["sender_id"], more, member.unread(made["id"])) == (0, False, 0)


@pytest.mark.parametrize("status", ["pending_payment", "pending", "in_progress", "cancelled"])
def test_an_order_that_was_never_confirmed_has_none(shop, ann, status):
    assert tells(shop, status=status) is None
    assert ann.lists() == []


def test_every_status_is_noted_on_the_conversation(shop, ann):
    made = tells(shop)
    for status in ("in_progress", "completed", "cancelled", "pending", "confirmed"):
        noted = tells(shop, status=status)
        assert noted == {**made, "order_status": status}
    assert ann.sees(made["id"])["order_status"] == "confirmed"
    assert len(ann.reads(made["id"])[0]) == 1


def test_later_titles_and_users_change_nothing(shop, person, ann):
    made = tells(shop)
    assert tells(shop, title="another", user_id=5, kol_user_id=6) == made
    assert person(5).lists() == person(6).lists() == []


def test_an_order_is_known_by_type_and_id_together(shop, ann):
    made = [
        tells(shop),
        tells(shop, order_type="ad_order"),
        tells(shop, order_id="another"),
        tells(shop, order_id='{"$gt": ""}'),
    ]
    assert len({each["id"] for each in made}) == 4
    assert made[1]["title"] == "广告订单: 产品推广视频"
    assert made[1]["type"] == "ad_order"


def test_a_long_title_is_cut(shop):
    made = tells(shop, title="𠮷" * 200)
    assert made["title"] == ("KOL订单: " + "𠮷" * 200)[:200]


@pytest.mark.parametrize("status", ["confirmed", "pending"])
def test_nobody_orders_from_himself(shop, ann, status):
    news = {**ORDER, "status": status, "kol_user_id": 1}
    refusal = shop.refused(400, "order_status_changed", news)
    assert refusal == "kol_user_id: Must not be the same as user_id."
    assert ann.lists() == []


def test_only_admins_tell_of_orders(person, ann):
    for caller in (ann, person("order-service"), person(1, role="root")):
        assert caller.refused(403, "order_status_changed", ORDER) == "admins only"
    assert ann.lists() == []


@pytest.mark.parametrize("missing", ORDER)
def test_every_field_is_required(shop, missing):
    body = {name: value for name, value in ORDER.items() if name != missing}
    assert missing in shop.refused(400, "order_status_changed", body)


def test_an_orders_conversation_goes_on_like_any_other(shop, ann, ben):
    made = tells(shop)
    ben.says(made["id"], "hello")
    tells(shop, status="completed")
    assert ann.unread(made["id"]) == 1
    ann.sets(made["id"], "closed")
    assert tells(shop)["status"] == "closed"
    assert ben.texts(made["id"]) == ["hello"]


def test_twenty_at_once_over_two_apps_make_one(make_app, call_as, ann):
    apps = [make_app(), make_app()]

    def confirm(i: int) -> Told | None:
        shop = Person(call_as(apps[i % 2], "shop", role="admin"), patient=True)
        return tells(shop, title=f"title {i}", user_id=1, kol_user_id=2 + i)

    with ThreadPoolExecutor(20) as pool:
        told = list(pool.map(confirm, range(20)))
    assert all(each == told[0] for each in told)
    (listed,) = ann.lists()
    assert listed["id"] == told[0]["id"]
    assert len(ann.reads(listed["id"])[0]) == 1
    kol = listed["members"][1]["user_id"]
    assert listed["title"] == f"KOL订单: title {kol - 2}"
