"""Questions about a call that only Python can answer, while the call waits; and what the answers say.

A worker puts a question into the box and goes on with its other calls. A thread of Python's takes all that are there,
answers each when it can, and the worker is woken. No lock is taken on either side.
"""
cimport cython
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy, memset

from fastgw._core.buf cimport Octets
from fastgw._core.io.loop cimport loop_wake
from fastgw._core.io.sys cimport close, read, write
from fastgw._core.wire.fields cimport Field, FieldSection
from fastgw._core.wire.stash cimport stash_get

cdef extern from *:
    """
    #include <sys/eventfd.h>
    static inline void *fastgw_ask_swap(void *at) { return __atomic_exchange_n((void **)at, NULL, __ATOMIC_ACQ_REL); }
    static inline int fastgw_ask_push(void **at, void **next, void *ask) {
        void *before = __atomic_load_n(at, __ATOMIC_RELAXED);
        do { *next = before; }
        while (!__atomic_compare_exchange_n(at, &before, ask, 1, __ATOMIC_RELEASE, __ATOMIC_RELAXED));
        return before == NULL;
    }
    static inline int fastgw_ask_add(int *at, int value) { return __atomic_add_fetch(at, value, __ATOMIC_ACQ_REL); }
    static inline int fastgw_ask_load(int *at) { return __atomic_load_n(at, __ATOMIC_ACQUIRE); }
    static inline void fastgw_ask_store(int *at, int value) { __atomic_store_n(at, value, __ATOMIC_RELEASE); }
    """
    void *fastgw_ask_swap(void *at) nogil
    int fastgw_ask_push(void **at, void **next, void *ask) nogil
    int fastgw_ask_add(int *at, int value) nogil
    int fastgw_ask_load(int *at) nogil
    void fastgw_ask_store(int *at, int value) nogil
    int eventfd(unsigned int initval, int flags) nogil
    const int EFD_NONBLOCK, EFD_CLOEXEC


# ---- the box


cdef AskBox *box_open() noexcept nogil:
    """A box with one user; NULL if memory or descriptors are out."""
    cdef AskBox *self = <AskBox *>calloc(1, sizeof(AskBox))
    if self == NULL:
        return NULL
    self.users = 1
    self.wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)
    if self.wake < 0:
        free(self)
        return NULL
    return self


cdef void box_hold(AskBox *self) noexcept nogil:
    """One more uses it."""
    fastgw_ask_add(&self.users, 1)


cdef void box_leave(AskBox *self) noexcept nogil:
    """One uses it no more; the last frees it."""
    cdef Ask *ask
    cdef Ask *next
    if fastgw_ask_add(&self.users, -1) > 0:
        return
    ask = self.first
    while ask != NULL:
        next = ask.next
        ask_free(ask)
        ask = next
    close(self.wake)
    free(self)


# ---- questions


cdef Ask *ask_new(const uint8_t *head, uint32_t length) noexcept nogil:
    """A question about a head, which is copied; NULL if memory is out."""
    cdef Ask *self = <Ask *>malloc(sizeof(Ask) + length)
    if self == NULL:
        return NULL
    memset(self, 0, sizeof(Ask))
    self.head = <uint8_t *>(self + 1)
    self.head_length = length
    self.grpc_status = -1
    memcpy(self.head, head, length)
    return self


cdef void ask_free(Ask *self) noexcept nogil:
    free(self.changes)
    free(self)


cdef bint ask_put(AskBox *box, Ask *ask) noexcept nogil:
    """Ask. False: nobody would answer."""
    cdef uint64_t one = 1
    if fastgw_ask_load(&box.closed):
        return False
    if fastgw_ask_push(<void **>&box.first, <void **>&ask.next, ask):
        write(box.wake, &one, sizeof(one))
    return True


cdef Ask *asks_take(Ask **answered) noexcept nogil:
    """All that have been answered, newest first."""
    if answered[0] == NULL:
        return NULL
    return <Ask *>fastgw_ask_swap(answered)


cdef void _answer(Ask *self, Answer answer) noexcept nogil:
    """The last a question hears from Python: it is its worker's again."""
    cdef Loop *loop = self.loop
    self.answer = <uint8_t>answer
    fastgw_ask_push(<void **>self.answered, <void **>&self.next, self)
    loop_wake(loop)


# ---- for Python


cdef void _read_head(const Ask *ask, FieldSection *section) noexcept:
    cdef Octets stash
    memset(&stash, 0, sizeof(Octets))
    stash.data = ask.head
    stash.length = ask.head_length
    stash_get(&stash, section)


@cython.no_gc_clear
cdef class Question:
    """One question: the head of a request that waits. Good until it is answered; unanswered it counts as failed."""
    cdef Ask *ask
    cdef Asks asks      # and with it the workers, who must not go before their questions

    def __dealloc__(self):
        if self.ask != NULL:
            _answer(self.ask, ASK_FAILED)

    cdef int _check(self) except -1:
        if self.ask == NULL:
            raise RuntimeError("the call has gone on: its head can be read only until the answer is given")
        return 0

    @property
    def open(self):
        """Is it still to be answered?"""
        return self.ask != NULL

    @property
    def about(self):
        """The number of what is asked."""
        self._check()
        return self.ask.about

    @property
    def ray(self):
        """The id of the call, as in `fastgw-ray`."""
        self._check()
        return f"{self.ask.ray:016x}"

    @property
    def peer(self):
        """The client's struct sockaddr."""
        self._check()
        return (<const char *>self.ask.peer)[:28]

    def fields(self):
        """All fields of the head, in order, as (name, value) in octets; pseudo-fields first."""
        cdef FieldSection section
        cdef uint32_t number
        self._check()
        _read_head(self.ask, &section)
        return [(section.fields[number].name[:section.fields[number].name_length],
                 section.fields[number].value[:section.fields[number].value_length])
                for number in range(section.count)]

    def get(self, bytes name not None):
        """The value of the first field of this name, None if there is none."""
        cdef FieldSection section
        cdef uint32_t number
        cdef const Field *field
        self._check()
        _read_head(self.ask, &section)
        for number in range(section.count):
            field = &section.fields[number]
            if field.name[:field.name_length] == name:
                return field.value[:field.value_length]
        return None

    def let_pass(self, *, remove=(), put=(), bint remember=False):
        """The call may go on: first the fields named in `remove` go, then the (name, value) pairs of `put` come."""
        self._check()
        _write_changes(self.ask, [(name, b"") for name in remove] + list(put), <uint32_t>len(remove))
        self._say(ASK_PASS, remember)

    def deny(self, int grpc_status, bytes text not None, *, bint remember=False):
        """The call ends with this gRPC status (1 to 16, or -1: PERMISSION_DENIED) and this sentence."""
        cdef size_t length = min(len(text), ASK_TEXT - 1)
        self._check()
        if grpc_status != -1 and not 1 <= grpc_status <= 16:
            raise ValueError(f"{grpc_status} is not a gRPC status of a failure")
        self.ask.grpc_status = <int16_t>grpc_status
        memcpy(self.ask.text, <const char *>text, length)
        self.ask.text[length] = 0
        self._say(ASK_DENY, remember)

    def fail(self):
        """Nobody can say."""
        self._check()
        self._say(ASK_FAILED, False)

    cdef void _say(self, Answer answer, bint remember) noexcept:
        cdef Ask *ask = self.ask
        self.ask = NULL
        ask.remember = remember
        _answer(ask, answer)


cdef int _write_changes(Ask *self, list fields, uint32_t removals) except -1:
    """Stash the fields of an answer."""
    cdef bytes name, value
    cdef Field field
    cdef uint8_t *at
    cdef size_t size = 0
    if not fields:
        return 0
    for name, value in fields:
        size += sizeof(Field) + len(name) + len(value)
    if size > ASK_CHANGES:
        raise ValueError(f"the changes have {size} octets, at most {ASK_CHANGES} are possible")
    at = <uint8_t *>malloc(size)
    if at == NULL:
        raise MemoryError
    self.changes = at
    self.changes_length = <uint32_t>size
    self.removals = removals
    for name, value in fields:
        memset(&field, 0, sizeof(Field))
        field.name_length = <uint32_t>len(name)
        field.value_length = <uint32_t>len(value)
        memcpy(at, &field, sizeof(Field))
        at += sizeof(Field)
        memcpy(at, <const char *>name, len(name))
        at += len(name)
        memcpy(at, <const char *>value, len(value))
        at += len(value)
    return 0


@cython.no_gc_clear
cdef class Asks:
    """The reading end of the box. `workers` are those that ask; they live as long as this."""

    def __cinit__(self):
        self.box = box_open()
        if self.box == NULL:
            raise MemoryError("no memory or no descriptors for questions")
        self.workers = []

    def __dealloc__(self):
        if self.box != NULL:
            fastgw_ask_store(&self.box.closed, 1)
            box_leave(self.box)

    @property
    def descriptor(self):
        """Readable when there are questions."""
        return self.box.wake

    def take(self):
        """All questions that wait, oldest first; none is an empty list."""
        cdef uint64_t count
        cdef Ask *ask
        cdef Question question
        cdef list found = []
        read(self.box.wake, &count, sizeof(count))
        ask = <Ask *>fastgw_ask_swap(&self.box.first)
        while ask != NULL:
            question = Question.__new__(Question)
            question.ask = ask
            question.asks = self
            ask = ask.next
            found.append(question)
        found.reverse()
        return found
