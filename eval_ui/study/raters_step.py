"""Fifth step: invite raters, renew or withdraw links, hand over what somebody cannot finish."""

from collections.abc import Sequence
from dataclasses import dataclass

import gradio as gr

from eval_ui.study.step_context import Step, StepContext, hint, whole_number
from eval_ui.texts import PageError
from eval_ui.web.html_templates import part
from eval_ui.web.notices import Updates, inform
from eval_ui.web.safe_text import table
from storage import (
    Invitation,
    Study,
    hand_over,
    invite_raters,
    list_raters,
    renew_link,
    revoke_link,
)

Link = tuple[str, str]
"""A rater as coordinators see them, and the rater's link."""


@dataclass(frozen=True)
class RatersParts:
    """``page_links`` holds the links of this page: they are told only once."""

    count: gr.Number
    further: gr.Checkbox
    remarks: gr.Textbox
    invite: gr.Button
    links: gr.HTML
    page_links: gr.State
    rater: gr.Dropdown
    renew: gr.Button
    revoke: gr.Button
    pass_on: gr.Button


def lay_out(context: StepContext) -> RatersParts:
    texts = context.texts
    hint(texts, "invite_info")
    with gr.Row(elem_classes="field-and-button"):
        count = gr.Number(5, label=texts("invite_count"), elem_id="invite-count")
        further = gr.Checkbox(
            False,
            label=texts("invite_adjudicator"),
            info=texts("invite_adjudicator_info"),
            elem_id="invite-adjudicator",
        )
    remarks = gr.Textbox(
        label=texts("invite_remarks"),
        info=texts("invite_remarks_info"),
        lines=2,
        max_lines=8,
        elem_id="invite-remarks",
    )
    with gr.Row(elem_classes="actions"):
        invite = gr.Button(texts("invite_button"), variant="primary", elem_id="invite")
    links = gr.HTML(elem_id="links")
    page_links = gr.State([])
    hint(texts, "renew_info")
    with gr.Row(elem_classes="field-and-button"):
        rater = gr.Dropdown(
            choices=[], allow_custom_value=True, label=texts("rater"), elem_id="renew-rater"
        )
        renew = gr.Button(texts("renew_button"), elem_id="renew", scale=0, min_width=110)
        revoke = gr.Button(texts("revoke_button"), elem_id="revoke", scale=0, min_width=110)
        pass_on = gr.Button(texts("hand_over"), elem_id="hand-over", scale=0, min_width=140)
    return RatersParts(
        count, further, remarks, invite, links, page_links, rater, renew, revoke, pass_on
    )


def create_raters_step(context: StepContext) -> Step:
    parts = lay_out(context)
    handlers = RatersHandlers(context, parts)
    inputs = [parts.count, parts.further, parts.remarks, parts.page_links]
    own = [parts.links, parts.remarks, parts.page_links]
    context.wire(parts.invite.click, handlers.invite, inputs, own)
    context.wire(
        parts.renew.click,
        handlers.renew,
        [parts.rater, parts.page_links],
        [parts.links, parts.page_links],
    )
    context.wire(parts.revoke.click, handlers.revoke, [parts.rater], [parts.links])
    context.wire(parts.pass_on.click, handlers.hand_over, [parts.rater], [parts.links])
    return Step(own, handlers.fill, [parts.rater], handlers.draw)


class RatersHandlers:
    def __init__(self, context: StepContext, parts: RatersParts) -> None:
        self._context, self._texts, self.parts = context, context.texts, parts
        self._store = context.services.store

    def fill(self, _: Study) -> Updates:
        return {self.parts.links: "", self.parts.remarks: "", self.parts.page_links: []}

    def draw(self, study: Study) -> Updates:
        choices = [
            (named(rater.label, rater.remark), rater.label)
            for rater in list_raters(self._store, study.id)
        ]
        return {self.parts.rater: gr.update(choices=choices, value=None)}

    def invite(
        self,
        study: Study,
        count: float | None,
        further: bool,
        remarks: str | None,
        page_links: Sequence[Link] = (),
    ) -> Updates:
        lines = [line.strip() for line in (remarks or "").splitlines() if line.strip()]
        error = PageError("invite_not_whole")
        number = len(lines) or whole_number(count, error)
        if number is None:
            raise error
        invitations = invite_raters(
            self._store,
            study.id,
            number,
            adjudicator=bool(further),
            remarks=lines,
            coordinator=self._context.coordinator,
        )
        return {**self._links(page_links, invitations), self.parts.remarks: ""}

    def renew(self, study: Study, rater: str | None, page_links: Sequence[Link] = ()) -> Updates:
        by = self._context.coordinator
        invitation = renew_link(self._store, study.id, _label(rater), coordinator=by)
        inform(self._texts("renewed", rater=rater), self._texts)
        return self._links(page_links, [invitation])

    def revoke(self, study: Study, rater: str | None) -> Updates:
        revoke_link(self._store, study.id, _label(rater), self._context.coordinator)
        return {self.parts.links: part("paragraph", self._texts("revoked", rater=rater))}

    def hand_over(self, study: Study, rater: str | None) -> Updates:
        label = _label(rater)
        count = hand_over(self._store, study.id, label, self._context.coordinator)
        sentence = self._texts("handed_over", rater=label, count=count)
        inform(sentence, self._texts)
        return {self.parts.links: part("paragraph", sentence)}

    def _links(self, page_links: Sequence[Link], new: list[Invitation]) -> Updates:
        """The links that this page has shown and the new ones, which replace older ones."""
        home = self._context.home
        rows = dict(page_links)
        rows |= {named(link.label, link.remark): f"{home}r/{link.token}" for link in new}
        header = [self._texts("rater"), self._texts("link")]
        html = table(header, [list(row) for row in rows.items()], texts=2, name=header[1])
        return {self.parts.links: html, self.parts.page_links: list(rows.items())}


def _label(rater: str | None) -> str:
    if not rater:
        raise PageError("choose_rater")
    return rater


def named(label: str, remark: str) -> str:
    """A rater as coordinators see them."""
    return f"{label} · {remark}" if remark else label
