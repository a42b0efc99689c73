"""The training run itself: token rows in, a trained model out, through transformers' Trainer.

Knows rows of ids with the labels to learn, not where they come from. A row's labels are -100
wherever no loss is wanted (the prompt, the padding).
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

import torch
from torch import Tensor
from torch.utils.data import Dataset
from transformers import PreTrainedModel, Trainer, TrainingArguments, set_seed

IGNORED_LABEL = -100


@dataclass(frozen=True)
class Row:
    """One training example: token ids and, of the same length, the ids to learn or -100."""

    input_ids: list[int]
    labels: list[int]


class Tokenizer(Protocol):
    """What this module needs of a tokenizer."""

    eos_token_id: int

    def __call__(self, text: str, *, add_special_tokens: bool = ...) -> Any: ...


@dataclass(frozen=True)
class TrainingOptions:
    """How long and how fast to learn."""

    epochs: float = 1.0
    """Passes over the rows."""
    batch_size: int = 64
    learning_rate: float = 1e-3
    warmup_share: float = 0.05
    """Share of all steps in which the learning rate rises."""
    weight_decay: float = 0.01
    max_steps: int = -1
    """Steps after which to stop, whatever the epochs; -1 for none."""
    seed: int = 2023
    threads: int = 1
    """Processor threads. Sums come out the same for the same number only."""


class Rows(Dataset[Row]):
    def __init__(self, rows: Sequence[Row]) -> None:
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> Row:
        return self.rows[index]


def text_rows(texts: Iterable[str], tokenizer: Tokenizer, max_tokens: int) -> list[Row]:
    """Rows that learn every token of a text and its end, cut at ``max_tokens``."""
    rows = []
    for text in texts:
        ids = [*tokenizer(text)["input_ids"], tokenizer.eos_token_id][:max_tokens]
        rows.append(Row(ids, ids))
    return rows


def answer_rows(
    pairs: Iterable[tuple[str, str]],
    tokenizer: Tokenizer,
    max_tokens: int,
    vary: Callable[[str], list[int]] | None = None,
) -> list[Row]:
    """Rows of (prompt, answer) that learn the answer and its end only.

    An answer that does not fit into ``max_tokens`` is cut and then learns no end; a prompt that
    leaves no room for any answer makes no row. ``vary`` gives another encoding of a prompt; every
    second row takes it.
    """
    rows = []
    for number, (prompt, answer) in enumerate(pairs):
        prompt_ids = vary(prompt) if vary and number % 2 else list(tokenizer(prompt)["input_ids"])
        answer_ids = list(tokenizer(answer, add_special_tokens=False)["input_ids"])
        if len(prompt_ids) >= max_tokens:
            continue
        ids = [*prompt_ids, *answer_ids, tokenizer.eos_token_id][:max_tokens]
        rows.append(Row(ids, [IGNORED_LABEL] * len(prompt_ids) + ids[len(prompt_ids) :]))
    return rows


def pad_rows(rows: Sequence[Row]) -> dict[str, Tensor]:
    """A batch of equal length, padded on the right: ids, attention mask and labels."""
    longest = max(len(row.input_ids) for row in rows)

    def padded(values: list[int], filler: int) -> list[int]:
        return values + [filler] * (longest - len(values))

    return {
        "input_ids": torch.tensor([padded(row.input_ids, 0) for row in rows]),
        "attention_mask": torch.tensor([padded([1] * len(row.input_ids), 0) for row in rows]),
        "labels": torch.tensor([padded(row.labels, IGNORED_LABEL) for row in rows]),
    }


def train(
    model: torch.nn.Module, rows: Sequence[Row], options: TrainingOptions, workplace: Path
) -> float:
    """Train ``model`` in place; returns the mean loss of the run.

    ``workplace`` is a folder for what the Trainer itself writes; nothing is left there to load.
    """
    torch.set_num_threads(options.threads)
    set_seed(options.seed)
    arguments = TrainingArguments(
        output_dir=str(workplace),
        num_train_epochs=options.epochs,
        max_steps=options.max_steps,
        per_device_train_batch_size=options.batch_size,
        learning_rate=options.learning_rate,
        warmup_steps=options.warmup_share,
        weight_decay=options.weight_decay,
        lr_scheduler_type="cosine",
        train_sampling_strategy="random",
        logging_steps=50,
        save_strategy="no",
        report_to=[],
        remove_unused_columns=False,
        seed=options.seed,
        disable_tqdm=True,
        use_cpu=not torch.cuda.is_available(),
    )
    trainer = Trainer(
        model=cast(PreTrainedModel, model),
        args=arguments,
        train_dataset=cast(Any, Rows(rows)),
        data_collator=cast(Any, pad_rows),
    )
    loss = float(trainer.train().training_loss)
    cast(PreTrainedModel, model).config.use_cache = True  # the Trainer switches it off
    return loss
