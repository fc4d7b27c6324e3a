"""Statements: what the book says of its records, as data. One list, from which every page takes its numbers and words.

A page says  `it loses <span class="answers" data-claim="by-heart-smoothing">−2.4</span> points`  in plain Markdown.
statements/PAGE.yaml says, for each ID, what the number is, how it is written, and when the words around it are true:

    by-heart-smoothing: {of: "robust, 0.4/255", method: label_smoothing, at: F, rule: falls, form: size, digits: 1}

What it is about (a contrast; a key with several values makes as many contrasts):
  of          a quantity; `robust` is accuracy under attack at the setting's own radius; with `averaged` or `cells` also
              a difference: `log margin less log length`
  method      the method, with its strength where a study has several: `gaussian_noise 0.25`; `soft` stands for the four
              soft labels, `park` for the three that Park et al. use
  less        what it is compared with (plain training); `nothing`: the quantity itself
  at          settings by their letters (ABCDEF), or a profile; `everywhere`: each setting that has the quantity and
              four seeds or more; `everywhere at all`: two or more
  study       core, or a measure that has a table of its own; studies in a list are read as one table, and so are
              profiles with `pooled: true`; `map`: the fifteen tables by training images and steps
  where       columns of the table and their values;  each: columns whose values are taken one by one
  with        {study, at, where}: where its partner is, if not in the same table
  averaged    `true`: over seeds alone, each of which counts by its mean over what the study's grid varies
  than        the partner's quantity, if it is another one (averaged)
  best        a quantity by which the strength of each method (dose or alpha) is chosen, on images for fitting
  cells       {cell: weight}, of a declared study, or {method at a strength: weight};  quantity_of: what cells have in
              place of `of`;  declared: the name of one of a study's contrasts
  statistic   a function of softbook.statements.statistics, with its arguments in `given`
  any_of      several contrasts that differ in what each says; the keys beside it hold for all
  scope       every recorded cell of a kind: a universal sentence (softbook.statements.universal)
  same as     PAGE.ID, whose keys hold here where nothing else is said

What is made of it (softbook.statements.values): take, count with others, as, over, times, round.
When it is true (softbook.statements.rules): rule; requires: IDs, or further statements; word: the verdict declared.
How it is written: digits (0) and form: plain, signed, size (without its sign), spread (± half its interval) or words
(no number: what stands in the page stays).
says: a sentence, where no page has one.

`make statements` rewrites numbers, never words. A record that breaks a rule is named with its ID, by that command and
by tests/statements: then a person rewrites the sentence.
"""

from softbook.statements.engine import Statement, statement, statements

__all__ = ["Statement", "statement", "statements"]
