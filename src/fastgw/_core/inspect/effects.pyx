"""What rules change of a call that they let pass: its metadata, and what is asked of which origin.

A value that is missing, or that no field may carry, is not written: the field stays as it was.
"""
from libc.stdint cimport uint8_t

from fastgw._core.inspect.rewrite cimport REWRITE_REMOVE, Change, rewrite
from fastgw._core.inspect.rows cimport NO_VALUE, ChangeRow, RuleRow
from fastgw._core.rules.functions cimport TO_STRING, function_call
from fastgw._core.rules.run cimport rules_value
from fastgw._core.rules.values cimport MISSING, NO_ROOM, TEXT, Value


cdef bint _value(const ChangeRow *row, RuleRun *run, Change *change) noexcept nogil:
    """The value to be written; False: there is none."""
    cdef Value text
    cdef const Value *value
    if row.value_number == <uint32_t>NO_VALUE:
        change.value = <const uint8_t *>row.value
        change.value_length = row.value_length
        return True
    value = rules_value(run, row.value_number)
    if value.kind == MISSING or value.kind == NO_ROOM:
        return False
    if value.kind != TEXT:
        function_call(<uint32_t>TO_STRING, &value, 1, &run.scratch, &text)
        if text.kind != TEXT:
            return False
        value = &text
    change.value = <const uint8_t *>value.at
    change.value_length = value.length
    return True


cdef bint effects_rewrite(const Verdict *verdict, const InspectionData *data, RuleRun *run,
                          FieldSection *section) noexcept nogil:
    """Make the changes of metadata, rule by rule. True: the section is another one now, its fields have moved.

    Values live in the scratch of `run`, so until the next head is asked about.
    """
    cdef const RuleRow *rule
    cdef const ChangeRow *row
    cdef Change change
    cdef uint32_t number, at
    cdef bint changed = False
    for number in range(verdict.effect_count):
        rule = &data.rules[verdict.effects[number]]
        for at in range(rule.change_count):
            row = &rule.changes[at]
            change.operation = row.operation
            change.name = <const uint8_t *>row.name
            change.name_length = row.name_length
            change.value = NULL
            change.value_length = 0
            if row.operation == REWRITE_REMOVE or _value(row, run, &change):
                changed = rewrite(section, &change) or changed
    return changed


cdef void effects_detour(const Verdict *verdict, const InspectionData *data, Detour *into) noexcept nogil:
    """Of several rules the last one that says something counts, for each of the three."""
    cdef const RuleRow *rule
    cdef uint32_t number
    into.authority = NULL
    into.authority_length = into.way = into.mode = 0
    for number in range(verdict.effect_count):
        rule = &data.rules[verdict.effects[number]]
        if rule.authority_length > 0:
            into.authority = rule.authority
            into.authority_length = rule.authority_length
        if rule.way > 0:
            into.way = rule.way
        if rule.mode > 0:
            into.mode = rule.mode
