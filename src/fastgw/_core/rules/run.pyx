"""The values of a program's nodes: each is made once per head, when a step first asks for it."""
from libc.stdint cimport uint32_t

from fastgw._core.rules.facts cimport Source
from fastgw._core.rules.fetch cimport fact_get, fact_grouped, fact_keyed
from fastgw._core.rules.functions cimport ARGUMENTS_MOST, JOIN, TO_STRING, function_call
from fastgw._core.rules.values cimport (
    BOOL,
    LIST,
    LIST_MOST,
    MISSING,
    NO_ROOM,
    TEXT,
    ValueKind,
    text_tag,
    value_list,
    value_none,
    value_number,
    value_text,
)


cdef void _make_field(RuleRun *self, const Node *node, Value *into) noexcept nogil:
    fact_get(self.facts, &self.scratch, <Source>node.what, node.number, node.constant, into)
    if into.kind == MISSING and node.empty != MISSING:
        if node.empty == TEXT:
            value_text(into, b"", 0)
        else:
            value_number(into, <ValueKind>node.empty, 0)
    if node.type == BOOL and into.kind != MISSING:
        into.kind = BOOL


cdef void _make_item(const Value *base, uint32_t index, Value *into) noexcept nogil:
    if base.kind != LIST:
        value_none(into, <ValueKind>base.kind)
    elif index >= base.length:
        value_none(into, MISSING)
    else:
        into[0] = (<const Value *>base.at)[index]


cdef void _make_each(RuleRun *self, const Node *node, const Value *base, Value *into) noexcept nogil:
    """Of an array of arrays: element `number` of each, or all elements of all of them."""
    cdef uint32_t at, inner
    cdef uint32_t count = 0
    cdef const Value *rows = <const Value *>base.at
    cdef Value *items
    if base.kind != LIST:
        value_none(into, <ValueKind>base.kind)
        return
    for at in range(base.length):
        if rows[at].kind == LIST:
            count += rows[at].length if node.kind == NODE_EACH_ALL else (1 if node.number < rows[at].length else 0)
        if count > LIST_MOST:
            value_none(into, NO_ROOM)
            return
    items = value_list(into, &self.scratch, count)
    if items == NULL:
        return
    for at in range(base.length):
        if rows[at].kind != LIST:
            continue
        for inner in range(rows[at].length):
            if node.kind == NODE_EACH_ALL or inner == node.number:
                items[into.length] = (<const Value *>rows[at].at)[inner]
                into.length += 1


cdef void _make_call(RuleRun *self, const Node *node, Value *into) noexcept nogil:
    """Call a function with the values of its arguments; mapped, once for each element of the first."""
    cdef const Value *arguments[ARGUMENTS_MOST]
    cdef const Value *first
    cdef Value *items
    cdef uint32_t at
    for at in range(node.number):
        arguments[at] = node_value(self, node.arguments[at])
        if arguments[at].kind == NO_ROOM:
            value_none(into, NO_ROOM)
            return
    if node.kind == NODE_CALL:
        function_call(node.what, arguments, node.number, &self.scratch, into)
        return
    first = arguments[0]
    if first.kind != LIST:
        value_none(into, MISSING)
        return
    items = value_list(into, &self.scratch, first.length)
    if items == NULL:
        return
    for at in range(first.length):
        arguments[0] = &(<const Value *>first.at)[at]
        function_call(node.what, arguments, node.number, &self.scratch, &items[into.length])
        if items[into.length].kind == NO_ROOM:
            value_none(into, NO_ROOM)
            return
        if items[into.length].kind != MISSING:
            into.length += 1


cdef const Value *node_make(RuleRun *self, uint32_t number) noexcept nogil:
    """Arguments come first, so this calls itself as deep as expressions may be nested."""
    cdef const Node *node = &self.program.nodes[number]
    cdef Memo *memo = &self.memos[number]
    cdef Value *into = &memo.value
    if node.kind == NODE_FIELD:
        _make_field(self, node, into)
    elif node.kind == NODE_KEYED:
        fact_keyed(self.facts, &self.scratch, <Source>node.what, node.constant, into)
    elif node.kind == NODE_GROUPED:
        fact_grouped(self.facts, &self.scratch, <Source>node.what, into)
    elif node.kind == NODE_ITEM:
        _make_item(node_value(self, node.arguments[0]), node.number, into)
    elif node.kind == NODE_EACH_ITEM or node.kind == NODE_EACH_ALL:
        _make_each(self, node, node_value(self, node.arguments[0]), into)
    elif node.kind == NODE_CALL or node.kind == NODE_MAPPED:
        _make_call(self, node, into)
    else:
        into[0] = node.constant[0]
    if into.kind == TEXT:
        text_tag(into)
    memo.paired = False
    memo.generation = self.generation
    if into.kind == NO_ROOM:
        self.exhausted += 1
    return into


cdef bint rules_value_text(RuleRun *self, uint32_t number, Value *into) noexcept nogil:
    """The same as octets: numbers and addresses as people write them, the texts of a list with ", " between them.

    False: it is missing, or there was no room for it.
    """
    cdef const Value *value = rules_value(self, number)
    cdef const Value *arguments[2]
    cdef Value between
    arguments[0] = value
    arguments[1] = &between
    if value.kind == TEXT or value.kind <= NO_ROOM:
        into[0] = value[0]
    elif value.kind == LIST:
        value_text(&between, b", ", 2)
        function_call(JOIN, arguments, 2, &self.scratch, into)
    else:
        function_call(TO_STRING, arguments, 1, &self.scratch, into)
    return into.kind == TEXT
