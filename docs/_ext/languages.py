"""Each page's link to its twin in the other language, and the theme's own words in Chinese."""

from __future__ import annotations

import re
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

CHINESE = "zh/"
CAPTIONS = {  # of the parts of the contents
    "Beside other software": "与其他软件一起使用",
    "Do": "使用",
    "Learn": "学习",
    "Look up": "查阅",
    "中文": "中文",
}
WORDS = {
    "Back to top": "回到顶部",
    "Hide navigation sidebar": "收起导航",
    "Home": "首页",
    "Next": "下一页",
    "On this page": "本页内容",
    "Previous": "上一页",
    "Search": "搜索",
    "Skip to content": "跳到正文",
    "Toggle Light / Dark / Auto color theme": "切换浅色、深色或自动",
    "Toggle site navigation sidebar": "打开导航",
    "Toggle table of contents sidebar": "打开目录",
}


def in_chinese(text: str, **variables: Any) -> str:
    words = WORDS.get(" ".join(text.split()), text)
    return words % variables if variables else words


def add_twin(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: nodes.document | None) -> None:
    chinese = page.startswith(CHINESE)
    twin = page.removeprefix(CHINESE) if chinese else CHINESE + page
    if twin not in app.env.all_docs:
        twin = "index" if chinese else CHINESE + "index"
    context["twin"] = {"page": twin, "language": "en" if chinese else "zh-CN", "name": "English" if chinese else "中文"}
    if chinese:
        context["language"] = "zh-CN"
        context["_"] = context["gettext"] = in_chinese
        context["furo_navigation_tree"] = re.sub(
            r'(?<="caption-text">)[^<]+', lambda caption: CAPTIONS[caption[0]], context["furo_navigation_tree"]
        )


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("html-page-context", add_twin, priority=900)  # after the theme has made its tree
    return {"parallel_read_safe": True, "parallel_write_safe": True}
