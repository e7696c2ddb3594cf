"""An image becomes a program: rows in C, checked and frozen."""
from libc.stdint cimport uint32_t

from fastgw._core.rules.run cimport Node, RuleProgram

cdef class Rules:
    cdef RuleProgram program
    cdef list kept      # what the rows point into

    cdef int _load_constants(self, object image, object matchers) except -1
    cdef int _load_nodes(self, object image) except -1
    cdef void _note_source(self, const Node *node) noexcept
    cdef int _load_values(self, object image) except -1
    cdef int _load_code(self, object image) except -1
    cdef const void *_operand(self, object image, uint32_t operation, object operand) except? NULL
