"""What ChatGLM-6B's own code did to a reply before handing it on. Text in, text out."""

import re

HALF_WIDTH = ",!:;?"
FULL_WIDTH = str.maketrans(HALF_WIDTH, "，！：；？")
CHINESE = "\u4e00-\u9fff"
TRAINING_TIME, TRAINING_YEAR = "[[训练时间]]", "2023年"
_BESIDE_CHINESE = re.compile(rf"(?<=[{CHINESE}])[{HALF_WIDTH}]|[{HALF_WIDTH}](?=[{CHINESE}])")


def tidy_chatglm_reply(reply: str) -> str:
    """Half-width , ! : ; ? beside a Chinese character become full-width again.

    The tokenizer's normaliser turned them half-width on the way in.
    """
    reply = reply.strip().replace(TRAINING_TIME, TRAINING_YEAR)
    return _BESIDE_CHINESE.sub(lambda mark: mark[0].translate(FULL_WIDTH), reply)
