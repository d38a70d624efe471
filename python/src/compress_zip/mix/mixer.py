"""The mixer: probabilities of the decisions that make a symbol, learning as it goes (mixing.md, 9 to 11).

The coder is a function: it is given a node and the probability that the decision there is true, and says what
the decision is. An encoder knows and codes it, a decoder decodes it. So both run the same code here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Callable, NamedTuple

import numpy as np
import numpy.typing as npt

from .alphabet import Alphabet
from .buckets import SUBTREE_DEPTH, Bucket, Buckets, slot_history, slot_p, updated_slot
from .contexts import Contexts, History
from .maps import AdaptiveMap, Refinement
from .match import MatchModel
from .numbers import LIMIT, SQUASH, STRETCH, clamp_logit, ln, log2up, squash
from .priors import ROWS_0, ROWS_1, ROWS_MAX, Priors, Sizes, Weights, initial_state
from .variants import Variant

Coder = Callable[[int, int], bool]
Cumulative = npt.NDArray[np.int64]

_BIAS = 102
_RATE_START = 1000 << 8
_RATE_END = 328 << 8

# The first entry of a joint map for each history, which has the numbers of false and true decisions.
_JOINT = [16 * (8 * min(history >> 5, 7) + min(history >> 1 & 15, 7)) for history in range(512)]


class Expectation(NamedTuple):
    """A leaf that is expected, and how certainly: the count of a run, or the class of a match's length."""

    leaf: int
    certainty: int


class Span(NamedTuple):
    """A node, the leaves from `low` to `high` - 1 that it spans, and its depth in the tree."""

    node: int
    low: int
    high: int
    depth: int


class Used(NamedTuple):
    """An entry of a map that says how much an expectation is worth, and the bit that was expected."""

    map: AdaptiveMap
    entry: int
    expected_bit: bool


@dataclass
class Situation:
    """What stays the same for all decisions of a symbol."""

    match: Expectation | None
    runs: list[Expectation | None]
    # int64 [symbols + 1], of the leaves in their order.
    cumulative: Cumulative | None
    last_row: int
    # For each refinement what the number of its line is made of, besides the node.
    lines: tuple[int, int]


@dataclass
class Prediction:
    """The probability of a decision, and all that it was made of, to learn from."""

    probability: int
    inputs: list[int]
    # Of the first layer: the number of a row of each set, counted over all sets, and the rows: int32 [4,
    # inputs].
    rows: list[int]
    weights: Weights
    outputs: list[int]
    mixed: int
    refined: list[int]
    histories: list[int]
    used: list[Used]
    joint_entries: list[int]


class Mixer:
    """Codes the symbols of one segment."""

    def __init__(
        self,
        alphabet: Alphabet,
        variant: Variant,
        text_len: int,
        *,
        with_net: bool,
        priors: Iterable[Priors],
    ) -> None:
        """Start a segment with a text of `text_len` bytes. `priors` are the candidates to start from."""
        self._alphabet = alphabet
        self._with_net = with_net
        self._run_contexts = variant.runs
        self._sizes = Sizes.of(variant, with_net=with_net)
        # The rows of set 2, and of set 3; and where these sets begin.
        self._rows = min(len(alphabet), ROWS_MAX)
        self._set_2 = ROWS_0 + ROWS_1
        self._set_3 = self._set_2 + self._rows
        state = initial_state(priors, self._sizes, with_net, self._rows, alphabet.tree_hash)
        self._state_maps = state.state_maps
        self._run_maps = state.run_maps
        self._match_map = state.match_map
        self._joint_maps = state.joint_maps
        self._first = state.first
        self._second = state.second

        lines_log2 = min(max(log2up(text_len // 2), 6), 15)
        self._refinements = (Refinement(lines_log2), Refinement(lines_log2))
        self._buckets = Buckets(text_len, self._sizes.contexts, variant.lines_max, len(alphabet))
        self._history = History(records=variant.records)
        self._contexts = Contexts(variant.contexts)
        self._match = MatchModel(variant.match_long, variant.match_short, text_len)
        self._rate = _RATE_START

    def code(self, coder: Coder, cumulative: Cumulative | None = None) -> int:
        """Code one symbol, and return it.

        `cumulative`, int64 [symbols + 1], is the net's cumulative frequencies of the leaves in their order,
        beginning with 0; None without a net.
        """
        alphabet = self._alphabet
        symbols = self._history.symbols
        hashes = self._contexts.hashes(self._history)
        last_row = (symbols[-1] if symbols else 0) % self._rows
        lines = (last_row * 4096, self._contexts.order2(hashes) >> 7)
        situation = Situation(self._match_expectation(), [], cumulative, last_row, lines)

        roots: list[Bucket] = []
        span = Span(alphabet.root, 0, len(alphabet), 0)
        while span.node:
            buckets = [self._buckets.find(h, span.node) for h in hashes]
            if span.depth == 0:
                roots = [buckets[context] for context in self._run_contexts]
                situation.runs = [self._run_expectation(bucket) for bucket in roots]
            span = self._code_subtree(coder, span, [bucket.cells for bucket in buckets], situation)
            for bucket in buckets:
                self._buckets.write(bucket)

        symbol = alphabet.symbol_of[span.low]
        for bucket in roots:
            self._buckets.update_run(bucket, symbol)
        self._history.append(symbol, alphabet.spellings[symbol])
        self._match.update(symbols)
        self._rate = max(self._rate - (self._rate >> 11), _RATE_END)
        return symbol

    def _match_expectation(self) -> Expectation | None:
        symbol = self._match.expected(self._history.symbols)
        if symbol is None:
            return None
        return Expectation(self._alphabet.leaf_of[symbol], self._match.length_class())

    def _run_expectation(self, bucket: Bucket) -> Expectation | None:
        symbol, count = self._buckets.run(bucket)
        return Expectation(self._alphabet.leaf_of[symbol], count) if count else None

    def _code_subtree(self, coder: Coder, span: Span, buckets: list[list[int]], situation: Situation) -> Span:
        """Make the decisions from a subtree's root on, and return the span that they lead to."""
        slot = 1
        for _ in range(SUBTREE_DEPTH):
            node, low, high, depth = span
            prediction = self.predict(span, [cells[slot] for cells in buckets], situation)
            decision = coder(node, prediction.probability)
            self.learn(prediction, decision)
            for cells in buckets:
                cells[slot] = updated_slot(cells[slot], decision)
            slot = 2 * slot + decision
            if decision:
                span = Span(self._alphabet.right[node], node, high, depth + 1)
            else:
                span = Span(self._alphabet.left[node], low, node, depth + 1)
            if span.node == 0:
                break
        return span

    def predict(self, span: Span, slots: list[int], situation: Situation) -> Prediction:
        """The probability of the decision at a node, given the slots of all contexts."""
        node, low, high, depth = span
        net = _net_logit(situation.cumulative, span) if situation.cumulative is not None else 0
        # The net's grade for a decision that is false, and one that is true.
        grades = (_grade(-net), _grade(net)) if self._with_net else (0, 0)

        # The inputs (section 9).
        inputs = [net, _BIAS]
        histories = [slot_history(slot) for slot in slots]
        for state_map, slot, history in zip(self._state_maps, slots, histories):
            inputs += (state_map.stretch(history), STRETCH[slot_p(slot) >> 4])

        used = []
        for run_map, run in zip(self._run_maps, situation.runs):
            if run is not None and low <= run.leaf < high:
                bit = run.leaf >= node
                entry = 16 * run.certainty + grades[bit]
                logit = run_map.stretch(entry)
                inputs.append(logit if bit else -logit)
                used.append(Used(run_map, entry, bit))
            else:
                inputs.append(0)

        match = situation.match
        match_holds = match is not None and low <= match.leaf < high
        row_1 = 2 * grades[True]
        if match is not None and match_holds:
            bit = match.leaf >= node
            entry = 16 * match.certainty + grades[bit]
            row_1 = 2 * entry + bit
            q = self._match_map.p(entry)
            logit, linear = STRETCH[q >> 4], (q - 32768) >> 6
            inputs += (logit, linear) if bit else (-logit, -linear)
            used.append(Used(self._match_map, entry, bit))
        else:
            inputs += (0, 0)

        joint_entries = [_JOINT[history] + grades[True] for history in histories[: self._sizes.joint]]
        inputs += [joint_map.stretch(entry) for joint_map, entry in zip(self._joint_maps, joint_entries)]

        # The first layer (section 10.1).
        known = len(histories) - histories.count(0)
        row_0 = (min(depth, 15) * 8 + known * 7 // self._sizes.contexts) * 2 + match_holds
        row_2 = node % self._rows
        rows = [row_0, ROWS_0 + row_1, self._set_2 + row_2, self._set_3 + situation.last_row]
        weights = self._first[rows]
        # Sums of products of int32 wrap, as they must.
        sums = weights @ np.array(inputs, np.int32)
        outputs = [clamp_logit(total >> 14) for total in sums.tolist()]

        # The second layer (section 10.2).
        terms = [weight * output >> 8 for weight, output in zip(self._second[row_2], outputs)]
        logit = clamp_logit(sum(terms) >> 8)
        mixed = squash(logit)

        # Refinement (section 10.3).
        refined = [
            refinement.refine(line + node * 0x9E35, logit)
            for refinement, line in zip(self._refinements, situation.lines)
        ]
        probability = min(max((2 * mixed + sum(refined)) >> 2, 1), 65535)
        return Prediction(
            probability, inputs, rows, weights, outputs, mixed, refined, histories, used, joint_entries
        )

    def learn(self, prediction: Prediction, decision: bool) -> None:
        """Learn from a decision that has just been predicted (section 10.4). Slots are left to the caller."""
        target = 65535 if decision else 0
        outputs = prediction.outputs

        rate = self._rate >> 8
        # The rate is at most 1,000, so that a step always fits in 16 bits.
        steps = [(target - SQUASH[output + LIMIT]) * rate >> 11 for output in outputs]
        # An input is within ±LIMIT, so the products fit in 32 bits, and what is added to a weight always fits
        # in 16; only the sums have to be clamped.
        products = np.array(prediction.inputs, np.int32) * np.array(steps, np.int32)[:, None]
        weights = prediction.weights + ((products + (1 << 14)) >> 15)
        self._first[prediction.rows] = np.minimum(np.maximum(weights, -32768), 32767)

        error = (target - prediction.mixed) >> 2
        second = self._second[prediction.rows[2] - self._set_2]
        for i, output in enumerate(outputs):
            second[i] = min(max(second[i] + (output * error >> 15), -(1 << 19)), 1 << 19)

        for state_map, history in zip(self._state_maps, prediction.histories):
            # That nothing is known of a decision says nothing about it.
            if history:
                state_map.update(history, decision)
        for adaptive_map, entry, expected_bit in prediction.used:
            adaptive_map.update(entry, decision == expected_bit)
        for joint_map, entry in zip(self._joint_maps, prediction.joint_entries):
            joint_map.update(entry, decision)
        for refinement in self._refinements:
            refinement.update(decision)


def _net_logit(cumulative: Cumulative, span: Span) -> int:
    """The net's logit for a decision, from the frequencies of the leaves on both sides."""
    low, middle, high = (int(cumulative[leaf]) for leaf in (span.low, span.node, span.high))
    return clamp_logit((ln(high - middle) - ln(middle - low) + 128) >> 8)


def _grade(logit: int) -> int:
    """A logit in 16 steps."""
    return min(max((logit + 2048) >> 8, 0), 15)
