"""A call takes a user message and, where it is set, a system message and more room to write."""

import json

from ecollm_lab.models.cloud.client import CloudModel
from ecollm_lab.models.replies import MAX_TOKENS, most_usd
from ecollm_lab.records import Prompt
from ecollm_lab.sweeps.calls import call_key
from tests.support.endpoint import Endpoint, completion
from tests.support.rig import cloud


class Recorder(Endpoint):
    """Answers anything and keeps what it was sent."""

    def serve(self, request):
        self.sent = json.loads(request.rfile.read(int(request.headers["Content-Length"])))
        self.send(request, 200, completion("It says 9. Answer: 9 hours."))


def test_an_endpoint_gets_both_messages_and_the_longer_limit():
    with Recorder() as server, CloudModel(cloud("m", server.base_url)) as model:
        reply = model.reply(Prompt("how long?", "Be brief.", extra_tokens=100))
        assert server.sent["messages"] == [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "how long?"},
        ]
        assert server.sent["max_tokens"] == MAX_TOKENS + 100
        assert reply.text == "It says 9. Answer: 9 hours."
        model.reply("how long?")
        assert server.sent["messages"] == [{"role": "user", "content": "how long?"}]
        assert server.sent["max_tokens"] == MAX_TOKENS


def test_a_prompt_without_a_system_message_is_the_same_call_as_its_text():
    assert call_key("m", Prompt("x", answer_after="Answer:")) == call_key("m", "x")
    others = [Prompt("x", "s"), Prompt("x", "t"), Prompt("x", extra_tokens=1), Prompt("s", "x")]
    assert len({call_key("m", prompt) for prompt in [*others, "x"]}) == 5


def test_the_most_a_call_can_cost_covers_the_system_message_and_the_longer_limit():
    model = cloud("m", "http://127.0.0.1:9/v1")  # 1 USD per million tokens read, 4 written
    more = most_usd(model, Prompt("x", "12345", extra_tokens=10)) - most_usd(model, "x")
    assert round(more * 1e6) == 5 * 1 + 10 * 4


def test_the_answer_follows_the_last_marker():
    prompt = Prompt("x", answer_after="Answer:")
    assert prompt.answer("Answer: 8? No.\nAnswer: 9 hours.") == "9 hours."
    assert prompt.answer("9 hours.") == "9 hours."  # no marker: all of it is the answer
    assert Prompt("x").answer(" Answer: 9") == " Answer: 9"
