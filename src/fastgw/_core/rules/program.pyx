"""An image becomes a program: rows in C, checked and frozen.

Runs with the GIL, once per snapshot. Every number in an image is checked here, so that the evaluator need not.
"""
from cpython.pycapsule cimport PyCapsule_GetPointer
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free

from fastgw._core.rules.facts cimport NUMBER_FACT, NUMBER_FACTS, TEXT_FACT, TEXT_FACTS, VERSION
from fastgw._core.rules.functions cimport ARGUMENTS_MOST, IS_TIMED_HMAC_VALID_V0
from fastgw._core.rules.run cimport (
    ALL,
    ANY,
    EACH,
    END,
    FLAG_CLEAR,
    FLAG_TEST,
    FLAGS_MOST,
    INT_EQ,
    INT_IN,
    IP_EQ,
    IP_IN,
    IS,
    MATCH,
    NEXT_FALSE,
    NEXT_TRUE,
    NODE_CALL,
    NODE_INT,
    NODE_IP,
    NODE_ITEM,
    NODE_MAPPED,
    NODE_TEXT,
    TEXT_CONTAINS,
    TEXT_EQ,
    TEXT_IN,
    TEXT_MATCHES,
    TEXT_WILDCARD,
    Loop,
    Matcher,
    Node,
    Step,
)
from fastgw._core.rules.sets cimport (
    AddressSet,
    NumberSet,
    TextSet,
    address_set_close,
    address_set_open,
    number_set_close,
    number_set_open,
    text_set_close,
    text_set_open,
)
from fastgw._core.rules.values cimport (
    BOOL,
    INT,
    IP,
    LIST,
    MISSING,
    TEXT,
    PAIRS_MOST,
    Value,
    text_pairs,
    text_tag,
    value_address,
    value_number,
    value_text,
)
from fastgw._core.rules.wildcard cimport WILDCARD_PARTS, Wildcard

# Name of the capsules that hold a Matcher.
cdef const char *_MATCHER = b"fastgw.rules.Matcher"

_KINDS = {"": <int>LIST, "BOOL": <int>BOOL, "INT": <int>INT, "IP": <int>IP, "TEXT": <int>TEXT, "LIST": <int>LIST}


cdef void *_rows(size_t count, size_t size) except NULL:
    cdef void *rows = calloc(count if count > 0 else 1, size)
    if rows == NULL:
        raise MemoryError
    return rows


cdef uint32_t _number(object number, size_t count, str what) except? 0xffffffff:
    if not 0 <= number < count:
        raise ValueError(f"the image names a {what} {number}, there are {count}")
    return number


cdef uint8_t _wanted(uint32_t operation) noexcept:
    """The kind of value that an operation compares."""
    if operation < TEXT_EQ:
        return BOOL
    return TEXT if operation < INT_EQ else INT if operation < IP_EQ else IP


cdef class Rules:
    """A loaded program.

    `matchers` has an object for each regular expression of the image, in its order. Their method capsule() gives a
    capsule of a Matcher, and they live as long as the program does.
    """

    def __cinit__(self, image, matchers=()):
        self.kept = [list(image.texts), list(image.addresses), list(matchers)]
        self._load_constants(image, matchers)
        self._load_nodes(image)
        self._load_code(image)
        self._load_values(image)

    def __dealloc__(self):
        cdef RuleProgram *program = &self.program
        cdef uint32_t at
        for at in range(program.text_set_count if program.text_sets != NULL else 0):
            text_set_close(&program.text_sets[at])
        for at in range(program.number_set_count if program.number_sets != NULL else 0):
            number_set_close(&program.number_sets[at])
        for at in range(program.address_set_count if program.address_sets != NULL else 0):
            address_set_close(&program.address_sets[at])
        free(program.code)
        free(program.nodes)
        free(program.phases)
        free(program.constants)
        free(program.text_sets)
        free(program.number_sets)
        free(program.address_sets)
        free(program.wildcards)
        free(program.matchers)
        free(program.loops)
        free(program.numbers)
        free(program.values)

    @property
    def rule_count(self):
        """Rules of all phases; `hits` has a counter for each."""
        return self.program.rule_count

    @property
    def phase_count(self):
        return self.program.phase_count

    @property
    def node_count(self):
        """Values that asking may need to keep; `rules_memory` wants to know."""
        return self.program.node_count

    @property
    def value_count(self):
        """Values that are asked for by themselves."""
        return self.program.value_count

    @property
    def step_count(self):
        return self.program.step_count

    cdef int _load_constants(self, object image, object matchers) except -1:
        """Texts, then integers, then addresses; sets, patterns, expressions."""
        cdef RuleProgram *program = &self.program
        cdef uint32_t at = 0
        cdef bytes octets
        cdef Wildcard *pattern
        cdef size_t count = len(image.texts) + len(image.numbers) + len(image.addresses)
        program.constants = <Value *>_rows(count, sizeof(Value))
        for octets in self.kept[0]:
            value_text(&program.constants[at], <const uint8_t *><const char *>octets, len(octets))
            text_tag(&program.constants[at])
            at += 1
        for number in image.numbers:
            value_number(&program.constants[at], INT, number)
            at += 1
        for octets in self.kept[1]:
            value_address(&program.constants[at], <const uint8_t *><const char *>octets, 4 if len(octets) == 4 else 6)
            at += 1
        program.text_sets = <TextSet *>_rows(len(image.text_sets), sizeof(TextSet))
        for members in image.text_sets:
            program.text_set_count += 1
            text_set_open(&program.text_sets[program.text_set_count - 1], members)
        program.number_sets = <NumberSet *>_rows(len(image.number_sets), sizeof(NumberSet))
        for spans in image.number_sets:
            program.number_set_count += 1
            number_set_open(&program.number_sets[program.number_set_count - 1], spans)
        program.address_sets = <AddressSet *>_rows(len(image.address_sets), sizeof(AddressSet))
        for both in image.address_sets:
            program.address_set_count += 1
            address_set_open(&program.address_sets[program.address_set_count - 1], both)
        program.wildcards = <Wildcard *>_rows(len(image.patterns), sizeof(Wildcard))
        for at, parts in enumerate(image.patterns):
            pattern = &program.wildcards[at]
            if not 2 <= len(parts) <= WILDCARD_PARTS:
                raise ValueError(f"a pattern has {len(parts)} parts")
            self.kept.append(parts)
            for octets in parts:
                pattern.parts[pattern.count].at = <const uint8_t *><const char *>octets
                pattern.parts[pattern.count].length = len(octets)
                pattern.count += 1
        if len(matchers) != len(image.regexes):
            raise ValueError(f"{len(image.regexes)} regular expressions and {len(matchers)} matchers")
        program.matchers = <Matcher *>_rows(len(matchers), sizeof(Matcher))
        for at, matcher in enumerate(matchers):
            capsule = matcher.capsule()
            program.matchers[at] = (<Matcher *>PyCapsule_GetPointer(capsule, _MATCHER))[0]
        return 0

    cdef int _load_nodes(self, object image) except -1:
        """Nodes and loops. Arguments come before the nodes that use them: what is made has an end."""
        cdef RuleProgram *program = &self.program
        cdef size_t texts = len(image.texts)
        cdef size_t integers = len(image.numbers)
        cdef uint32_t at, used = 0
        cdef Node *node
        program.nodes = <Node *>_rows(len(image.nodes), sizeof(Node))
        program.numbers = <uint32_t *>_rows(
            sum(len(row.arguments) for row in image.nodes) + sum(map(len, image.loops)), sizeof(uint32_t))
        for at, row in enumerate(image.nodes):
            node = &program.nodes[at]
            node.kind = _number(row.kind, NODE_IP + 1, "kind of node")
            node.type = _KINDS[row.type]
            node.empty = MISSING if row.may_miss else node.type if node.type != LIST and node.type != IP else MISSING
            node.what = row.what
            node.number = row.number
            node.arguments = program.numbers + used
            for argument in row.arguments:
                program.numbers[used] = _number(argument, at, "node")
                used += 1
            if node.kind < NODE_ITEM:
                _number(row.what, VERSION + 1, "source")
                _number(row.number, min(TEXT_FACTS, NUMBER_FACTS) if row.what > 1 else
                        (TEXT_FACTS, NUMBER_FACTS)[row.what], "fact")
                node.constant = &program.constants[_number(row.text, texts, "text")]
                self._note_source(node)
            elif node.kind == NODE_CALL or node.kind == NODE_MAPPED:
                _number(row.what, IS_TIMED_HMAC_VALID_V0 + 1, "function")
                node.number = _number(len(row.arguments), ARGUMENTS_MOST + 1, "argument")
            elif node.kind == NODE_TEXT:
                node.constant = &program.constants[_number(row.number, texts, "text")]
            elif node.kind == NODE_INT:
                node.constant = &program.constants[texts + _number(row.number, integers, "integer")]
            elif node.kind == NODE_IP:
                node.constant = &program.constants[texts + integers
                                                   + _number(row.number, len(image.addresses), "address")]
        program.node_count = len(image.nodes)
        program.loops = <Loop *>_rows(len(image.loops), sizeof(Loop))
        for at, nodes in enumerate(image.loops):
            program.loops[at].count = len(nodes)
            program.loops[at].nodes = program.numbers + used
            for argument in nodes:
                program.numbers[used] = _number(argument, program.node_count, "node")
                used += 1
        return 0

    cdef void _note_source(self, const Node *node) noexcept:
        """What must be known of a request for this node."""
        if node.what == TEXT_FACT:
            self.program.texts |= <uint64_t>1 << node.number
        elif node.what == NUMBER_FACT:
            self.program.integers |= <uint64_t>1 << node.number
        self.program.sources |= <uint64_t>1 << node.what

    cdef int _load_values(self, object image) except -1:
        cdef RuleProgram *program = &self.program
        program.values = <uint32_t *>_rows(len(image.values), sizeof(uint32_t))
        for node in image.values:
            program.values[program.value_count] = _number(node, program.node_count, "node")
            program.value_count += 1
        return 0

    cdef int _load_code(self, object image) except -1:
        cdef RuleProgram *program = &self.program
        cdef uint32_t at
        cdef Step *step
        cdef const Value *constant
        cdef size_t count = len(image.code)
        program.code = <Step *>_rows(count, sizeof(Step))
        program.step_count = count
        program.rule_count = image.rules
        for at, row in enumerate(image.code):
            step = &program.code[at]
            step.operation = _number(row.operation, IP_IN + 1, "operation")
            step.then = _number(row.then, count, "step")
            step.otherwise = _number(row.otherwise, count, "step")
            step.wanted = EACH if row.each else _wanted(step.operation)
            if (step.then <= at or step.otherwise <= at) and step.operation != END:
                raise ValueError("the image has a step that leads back")
            if step.operation >= IS:
                step.node = <uint16_t>_number(row.node, program.node_count, "node")
                step.operand = self._operand(image, step.operation, row.operand)
                if step.operation == TEXT_CONTAINS:
                    constant = <const Value *>step.operand
                    step.pairs = text_pairs(<const uint8_t *>constant.at, constant.length)
                    if constant.length > <uint32_t>PAIRS_MOST:
                        step.pairs = 0
            elif step.operation == MATCH:
                step.number = _number(row.node, program.rule_count, "rule")
                step.operand = <const void *><size_t>_number(row.operand, 2, "flag")
            elif step.operation == ANY or step.operation == ALL:
                step.operand = &program.loops[_number(row.operand, len(image.loops), "loop")]
            elif step.operation == NEXT_TRUE or step.operation == NEXT_FALSE:
                step.number = _number(row.operand, at, "step")
            elif FLAG_CLEAR <= step.operation <= FLAG_TEST:
                step.number = _number(row.operand, FLAGS_MOST, "flag")
        program.phases = <uint32_t *>_rows(len(image.phases), sizeof(uint32_t))
        for at, begin in enumerate(image.phases):
            program.phases[at] = _number(begin, count, "step")
        program.phase_count = len(image.phases)
        return 0

    cdef const void *_operand(self, object image, uint32_t operation, object operand) except? NULL:
        """What a step compares with."""
        cdef RuleProgram *program = &self.program
        cdef size_t texts = len(image.texts)
        cdef size_t integers = len(image.numbers)
        if operation < TEXT_EQ:
            return NULL
        if operation == TEXT_WILDCARD:
            return &program.wildcards[_number(operand, len(image.patterns), "pattern")]
        if operation == TEXT_MATCHES:
            return &program.matchers[_number(operand, len(image.regexes), "regular expression")]
        if operation == TEXT_IN:
            return &program.text_sets[_number(operand, program.text_set_count, "set")]
        if operation == INT_IN:
            return &program.number_sets[_number(operand, program.number_set_count, "set")]
        if operation == IP_IN:
            return &program.address_sets[_number(operand, program.address_set_count, "set")]
        if operation >= IP_EQ:
            return &program.constants[texts + integers + _number(operand, len(image.addresses), "address")]
        if operation >= INT_EQ:
            return &program.constants[texts + _number(operand, integers, "integer")]
        return &program.constants[_number(operand, texts, "text")]
