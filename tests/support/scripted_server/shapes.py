"""Replies as real endpoints shape them, by the name of a behaviour."""

SHAPES = {"parts", "finish", "refusal", "tools", "cutthought", "thinks"}


def reshape(done, how, n=0):
    """Change a plain completion into the shape `how`; return the tokens billed beside it."""
    choice, usage = done["choices"][0], done["usage"]
    message, content = choice["message"], choice["message"]["content"]
    match how:
        case "parts":
            thought = {"type": "thinking", "thinking": "Let me see."}
            message["content"] = [thought, {"type": "text", "text": content}]
        case "finish":
            choice["finish_reason"] = {0: None, 1: "eos", 2: "STOP", 3: "end_turn"}[n]
        case "refusal":
            message |= {"content": None, "refusal": "I can't help with that."}
        case "tools":
            message |= {"content": None, "tool_calls": [{"id": "t", "type": "function"}]}
            choice["finish_reason"] = "tool_calls"
        case "cutthought":
            message["content"], choice["finish_reason"] = f"<think>{content}", "length"
        case "thinks":  # thoughts outside of completion_tokens
            usage["total_tokens"] += n
            usage["completion_tokens_details"] = {"reasoning_tokens": n}
            return n
    return 0
