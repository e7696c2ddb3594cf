"""Who may call what: the judgement of one call by the policies of its zone.

Whatever is in doubt is denied. A token or certificate that nobody has judged yet holds a policy up only where the
policy asks for it; then Python is asked, and the call judged anew.
"""
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdio cimport snprintf
from libc.string cimport memcmp, memcpy, memset

from fastgw._core.inspect.callers cimport (
    PAIR_ABSENT,
    PAIR_BOTH,
    PAIR_HALF,
    PAIR_SHOWN,
    PAIR_TWICE,
    TOKENS_MOST,
    HeaderName,
    caller_clean,
    caller_forget,
    caller_read,
    same_digest,
)
from fastgw._core.inspect.paths cimport (
    PATH_MOST,
    PATH_OTHER,
    PATH_UNREADABLE,
    Reading,
    path_end,
    path_is_within,
    path_read,
)
from fastgw._core.inspect.places cimport PlacesData, places_country
from fastgw._core.inspect.policies cimport (
    ANY_SERVICE_TOKEN,
    BYPASS,
    CERTIFICATE_FACT,
    COUNTRY,
    DENY,
    EVERYONE,
    NETWORK,
    NEVER,
    OF_ASSERTION,
    OF_CREDENTIAL,
    SERVICE_AUTH,
    TOKEN_FACT,
    AccessTable,
    ApplicationRow,
    AskedRow,
    PolicyRow,
    TokenRow,
    access_key,
)
from fastgw._core.inspect.verdicts cimport (
    ASSERTION_WORDS,
    EXPIRED,
    FLAWLESS,
    MALFORMED,
    Judged,
    flaw_text,
    vault_assertion,
    vault_verdict,
)
from fastgw._core.rules.sets cimport address_set_has
from fastgw._core.wire.fields cimport FIELDS_MAX, RESERVED, Field, RequestHead, field_kind, request_head_check

cdef extern from "sha256.h" nogil:
    ctypedef struct Sha256:
        pass
    void sha256_open(Sha256 *self)
    void sha256_feed(Sha256 *self, const uint8_t *at, size_t length)
    void sha256_close(Sha256 *self, uint8_t *digest)

cdef enum _Truth:
    _NO = 0
    _YES
    _OPEN                       # it depends on what has not been judged

cdef enum _Standing:
    _NOT_LOOKED = 0
    _ABSENT
    _UNSEEN
    _GOOD
    _BAD

cdef enum:
    _CERTIFICATE = TOKENS_MOST  # place of the certificate behind the tokens
    _CREDENTIALS = TOKENS_MOST + 1
    _NO_TOKEN = 0xffffffff
    _BY_PAIR = 1 << 8           # in `used`

ctypedef struct _Case:
    # One call while it is judged.
    const AccessRow *row
    const Caller *caller
    const RuleText *client
    const PlacesData *places    # NULL: nobody knows where addresses are
    uint64_t now_ms
    uint32_t token              # number of the service token that was shown and is good; _NO_TOKEN
    uint64_t token_ends_ms
    const char *pair_flaw       # what is wrong with the service token that was shown; NULL: nothing, or none was
    uint8_t[_CREDENTIALS] standing
    Judged[_CREDENTIALS] judged
    uint32_t used               # by what the policy at hand holds, a bit each


# ---- what is known of the caller


cdef uint8_t _look(_Case *case, uint32_t place) noexcept nogil:
    """How the token or certificate at this place stands; looked up once."""
    cdef const Caller *caller = case.caller
    cdef uint8_t[32] key
    cdef uint8_t standing
    if case.standing[place] != _NOT_LOOKED:
        return case.standing[place]
    if place == _CERTIFICATE and not caller.certified:
        standing = _ABSENT
    elif place != _CERTIFICATE and not caller.tokens[place].present:
        standing = _ABSENT
    elif place != _CERTIFICATE and caller.tokens[place].malformed:
        standing = _BAD
        case.judged[place].flaw = <uint64_t>MALFORMED
    else:
        if place == _CERTIFICATE:
            access_key(case.row, OF_CREDENTIAL, <uint8_t>place, caller.certificate, key)
        else:
            access_key(case.row, OF_CREDENTIAL, <uint8_t>place, caller.tokens[place].digest, key)
        if not vault_verdict(case.row.vault, key, case.now_ms, &case.judged[place]):
            standing = _UNSEEN
        elif (case.judged[place].flaw != <uint64_t>FLAWLESS
              or (case.judged[place].expires_ms > 0 and case.now_ms >= case.judged[place].expires_ms)):
            standing = _BAD
        else:
            standing = _GOOD
    case.standing[place] = standing
    return standing


cdef void _look_up_pair(_Case *case) noexcept nogil:
    """Is the service token that was shown one of ours, and good? It takes the same time whether it is known or not."""
    cdef const AccessRow *row = case.row
    cdef const Caller *caller = case.caller
    cdef TokenRow token
    cdef uint32_t bucket
    cdef uint32_t number = <uint32_t>_NO_TOKEN
    cdef bint current, previous
    case.token = <uint32_t>_NO_TOKEN
    if caller.pair == PAIR_ABSENT:
        return
    if caller.pair != PAIR_SHOWN:
        case.pair_flaw = _pair_flaw(caller.pair)
        return
    memset(&token, 0, sizeof(token))
    if row.token_count > 0:
        memcpy(&bucket, &caller.client[28], 4)
        number = row.buckets[bucket & row.mask]
        while number != <uint32_t>_NO_TOKEN and memcmp(row.tokens[number].client, caller.client, 32) != 0:
            number = row.tokens[number].next
        if number != <uint32_t>_NO_TOKEN:
            token = row.tokens[number]
    current = same_digest(token.secret, caller.secret)
    previous = same_digest(token.previous, caller.secret) and case.now_ms < token.previous_until_ms
    if number == <uint32_t>_NO_TOKEN or not (current or previous):
        case.pair_flaw = b"the service token is not known, or its secret is another"
    elif not token.enabled:
        case.pair_flaw = b"the service token is switched off"
    elif token.expires_ms > 0 and case.now_ms >= token.expires_ms:
        case.pair_flaw = b"the service token has expired"
    else:
        case.token = number
        case.token_ends_ms = token.expires_ms
        if not current and (token.expires_ms == 0 or token.previous_until_ms < token.expires_ms):
            case.token_ends_ms = token.previous_until_ms


cdef const char *_pair_flaw(uint8_t pair) noexcept nogil:
    if pair == PAIR_HALF:
        return b"one half of a service token was shown without the other"
    if pair == PAIR_TWICE:
        return b"a service token was shown twice"
    if pair == PAIR_BOTH:
        return b"a service token was shown in two ways at once"
    return b"the service token is malformed"


# ---- policies


cdef inline bint _has_fact(const Judged *judged, uint16_t fact) noexcept nogil:
    return (judged.facts[fact >> 6] >> (fact & 63)) & 1


cdef _Truth _fact(_Case *case, const AskedRow *asked, uint32_t first, uint32_t last) noexcept nogil:
    """Does it hold of one of these credentials?"""
    cdef uint32_t place
    cdef uint8_t standing
    cdef _Truth found = _NO
    for place in range(first, last):
        standing = _look(case, place)
        if standing == _GOOD and _has_fact(&case.judged[place], asked.fact):
            case.used |= <uint32_t>1 << place
            return _YES
        if standing == _UNSEEN and case.pair_flaw == NULL:
            found = _OPEN
    return found


cdef bint _is_among(const uint32_t *numbers, uint32_t count, uint32_t wanted) noexcept nogil:
    cdef uint32_t low = 0
    cdef uint32_t half
    if count == 0:
        return False
    while count > 1:
        half = count >> 1
        low += half if numbers[low + half] <= wanted else 0
        count -= half
    return numbers[low] == wanted


cdef _Truth _holds(_Case *case, const AskedRow *asked) noexcept nogil:
    """Does one thing that is asked hold of this caller?"""
    cdef uint16_t country
    if asked.kind == EVERYONE:
        return _YES
    if asked.kind == NETWORK:
        if case.client.at == NULL:
            return _NO
        return <_Truth>address_set_has(&asked.networks, case.client.at, 4 if case.client.length == 4 else 6)
    if asked.kind == COUNTRY:
        country = places_country(case.places, case.client.at, case.client.length) if case.client.at != NULL else 0
        return <_Truth>(country != 0 and _is_among(asked.tokens, asked.count, country))
    if asked.kind == TOKEN_FACT:
        return _fact(case, asked, 0, case.row.look.header_count)
    if asked.kind == CERTIFICATE_FACT:
        return _fact(case, asked, _CERTIFICATE, _CREDENTIALS)
    if asked.kind == NEVER or case.token == <uint32_t>_NO_TOKEN:
        return _NO
    if asked.kind == ANY_SERVICE_TOKEN or _is_among(asked.tokens, asked.count, case.token):
        case.used |= _BY_PAIR
        return _YES
    return _NO


cdef _Truth _policy(_Case *case, const PolicyRow *policy) noexcept nogil:
    """One of `include`, all of `require`, none of `exclude`."""
    cdef uint32_t number
    cdef const AskedRow *asked = policy.asked
    cdef _Truth found = _NO
    cdef _Truth truth
    cdef uint32_t before
    case.used = 0
    for number in range(policy.included):
        truth = _holds(case, asked + number)
        if truth == _YES:
            found = _YES
            break
        if truth == _OPEN:
            found = _OPEN
    if found == _NO:
        return _NO
    asked += policy.included
    for number in range(policy.required):
        truth = _holds(case, asked + number)
        if truth == _NO:
            return _NO
        if truth == _OPEN:
            found = _OPEN
    asked += policy.required
    before = case.used
    for number in range(policy.excluded):
        truth = _holds(case, asked + number)
        if truth == _YES:
            return _NO
        if truth == _OPEN:
            found = _OPEN
    case.used = before
    return found


cdef void _admit(_Case *case, AccessCall *call) noexcept nogil:
    """Note by what the caller came in, and when that ends."""
    cdef uint32_t place
    cdef uint64_t ends
    if case.used & _BY_PAIR:
        if call.proof == BY_NOTHING:
            call.proof = <uint8_t>BY_SERVICE_TOKEN
            call.token = case.token
        if case.token_ends_ms > 0 and (call.expires_ms == 0 or case.token_ends_ms < call.expires_ms):
            call.expires_ms = case.token_ends_ms
    for place in range(_CREDENTIALS):
        if not (case.used >> place) & 1:
            continue
        ends = case.judged[place].expires_ms
        if ends > 0 and (call.expires_ms == 0 or ends < call.expires_ms):
            call.expires_ms = ends
        if call.proof == BY_NOTHING:
            call.proof = <uint8_t>(BY_CERTIFICATE if place == _CERTIFICATE else BY_TOKEN)
            call.shown = <uint8_t>place


# ---- what is said


cdef AccessVerdict _unknown(const _Case *case, const ApplicationRow *application, char *text) noexcept nogil:
    """Nobody knows who calls: say what to show, or what is wrong with what was shown."""
    cdef uint32_t place
    cdef const HeaderName *header
    if case.pair_flaw != NULL:
        snprintf(text, ACCESS_TEXT, b"zone %s: application %s: %s", case.row.zone, application.name, case.pair_flaw)
        return UNAUTHENTICATED
    for place in range(case.row.look.header_count):
        if case.standing[place] == _BAD:
            header = &case.row.look.headers[place]
            snprintf(text, ACCESS_TEXT, b"zone %s: application %s: the token in %.64s %s", case.row.zone,
                     application.name, header.text, _flaw_of(case, place))
            return UNAUTHENTICATED
    if case.standing[_CERTIFICATE] == _BAD:
        snprintf(text, ACCESS_TEXT, b"zone %s: application %s: the client's certificate %s", case.row.zone,
                 application.name, _flaw_of(case, _CERTIFICATE))
        return UNAUTHENTICATED
    snprintf(text, ACCESS_TEXT, b"zone %s: application %s asks who calls, and nothing was shown that it knows",
             case.row.zone, application.name)
    return UNAUTHENTICATED


cdef const char *_flaw_of(const _Case *case, uint32_t place) noexcept nogil:
    cdef const Judged *judged = &case.judged[place]
    if judged.flaw == <uint64_t>FLAWLESS:
        return flaw_text(<uint64_t>EXPIRED)     # since
    return flaw_text(judged.flaw)


cdef bint _is_known(const _Case *case) noexcept nogil:
    """Has it shown who it is?"""
    cdef uint32_t place
    if case.token != <uint32_t>_NO_TOKEN:
        return True
    for place in range(_CREDENTIALS):
        if case.standing[place] == _GOOD:
            return True
    return False


# ---- one call


cdef AccessVerdict _apply(_Case *case, uint32_t number, AccessCall *call, char *text) noexcept nogil:
    """What one application says: bypasses and service authentication are asked first, then the others."""
    cdef const ApplicationRow *application = &case.row.applications[number]
    cdef const PolicyRow *policy
    cdef uint32_t at
    cdef uint32_t turn
    cdef _Truth truth
    call.application = number
    for turn in range(2):
        for at in range(application.count):
            policy = &application.policies[at]
            if (turn == 0) != (policy.decision == BYPASS or policy.decision == SERVICE_AUTH):
                continue
            if case.pair_flaw != NULL and policy.decision != BYPASS:
                continue        # a bad service token is not made good by something else
            truth = _policy(case, policy)
            if truth == _NO:
                continue
            call.policy = at
            if truth == _OPEN:
                snprintf(text, ACCESS_TEXT, b"zone %s: application %s: nobody could judge who calls", case.row.zone,
                         application.name)
                return TO_BE_ASKED
            if policy.decision == DENY:
                snprintf(text, ACCESS_TEXT, b"zone %s: application %s: the policy %s denies this caller",
                         case.row.zone, application.name, policy.name)
                return FORBIDDEN
            if policy.decision != BYPASS:
                _admit(case, call)
            return ADMITTED
    if case.pair_flaw != NULL or (application.asks_identity and not _is_known(case)):
        return _unknown(case, application, text)
    snprintf(text, ACCESS_TEXT, b"zone %s: application %s: no policy admits this caller", case.row.zone,
             application.name)
    return FORBIDDEN


cdef uint32_t _application(const AccessRow *row, const RuleText *hostname, const uint8_t *path, uint32_t length,
                           bint lax) noexcept nogil:
    """The most special application that covers this name and path."""
    cdef const ApplicationRow *application
    cdef uint32_t number
    cdef uint32_t host
    for number in range(row.application_count):
        application = &row.applications[number]
        host = application.host_length
        if host > 0:
            if hostname.length < host or memcmp(hostname.at + hostname.length - host, application.host, host) != 0:
                continue
            if application.wildcard:
                if hostname.length == host or hostname.at[hostname.length - host - 1] != c".":
                    continue
            elif hostname.length != host:
                continue
        if path_is_within(path, length, application.path, application.path_length, application.begins, lax):
            return number
    return <uint32_t>NO_APPLICATION


cdef Reading _applications(const AccessRow *row, const RuleText *hostname, const RuleText *path,
                           uint32_t *into) noexcept nogil:
    """Those that cover the call in either way to read its path. PATH_UNREADABLE: nobody can say."""
    cdef uint8_t[PATH_MOST] other
    cdef uint32_t read = 0
    cdef uint32_t length = path_end(path.at, path.length)
    cdef Reading reading
    into[0] = _application(row, hostname, path.at, length, False)
    reading = path_read(path.at, length, other, &read)
    if reading == PATH_OTHER:
        into[1] = _application(row, hostname, other, read, True)
    else:
        into[1] = _application(row, hostname, path.at, length, True)
    return reading


cdef AccessVerdict access_judge_again(const AccessRow *row, const RuleText *hostname, const RuleText *client,
                                      const RuleText *path, uint64_t now_ms, AccessCall *call,
                                      char *text) noexcept nogil:
    """Judge a caller whose head was read before. `path` as it was sent; the other fields of `call` are written anew.

    A path that may be read in two ways has to be admitted in both. `text` (ACCESS_TEXT) says why not.
    """
    cdef uint32_t[READINGS] numbers
    cdef _Case case
    cdef uint32_t at
    cdef AccessVerdict verdict
    call.expires_ms = 0
    call.proof = <uint8_t>BY_NOTHING
    call.application = <uint32_t>NO_APPLICATION
    call.assertion_wanted = False
    if _applications(row, hostname, path, numbers) == PATH_UNREADABLE:
        snprintf(text, ACCESS_TEXT, b"zone %s: the path of this call is encoded so that nobody can say what it means",
                 row.zone)
        return FORBIDDEN
    if numbers[0] == NO_APPLICATION and numbers[1] == NO_APPLICATION:
        return ADMITTED
    memset(case.standing, 0, sizeof(case.standing))
    case.row = row
    case.caller = &call.caller
    case.client = client
    case.places = call.places
    case.now_ms = now_ms
    case.pair_flaw = NULL
    _look_up_pair(&case)
    for at in range(READINGS):
        if numbers[at] == NO_APPLICATION or (at == 1 and numbers[1] == numbers[0]):
            continue
        verdict = _apply(&case, numbers[at], call, text)
        if verdict != ADMITTED:
            return verdict
    return _assert(row, call, now_ms, text)


cdef AccessVerdict _assert(const AccessRow *row, AccessCall *call, uint64_t now_ms, char *text) noexcept nogil:
    """The caller is admitted: is there what its origin is to be told?"""
    cdef uint64_t[ASSERTION_WORDS] unused
    cdef uint8_t[32] digest
    cdef Sha256 sha
    cdef const uint8_t *who = call.caller.client
    if row.identity.text == NULL or call.proof == BY_NOTHING:
        return ADMITTED
    if call.proof == BY_TOKEN:
        who = call.caller.tokens[call.shown].digest
    elif call.proof == BY_CERTIFICATE:
        who = call.caller.certificate
    sha256_open(&sha)
    sha256_feed(&sha, <const uint8_t *>&row.applications[call.application].audience, 4)
    sha256_feed(&sha, who, 32)
    sha256_close(&sha, digest)
    call.assertion_wanted = True
    access_key(row, OF_ASSERTION, call.proof, digest, call.assertion)
    if vault_assertion(row.vault, call.assertion, now_ms, <uint8_t *>unused) > 0:
        return ADMITTED
    snprintf(text, ACCESS_TEXT, b"zone %s: application %s: the identity of the caller could not be written down for "
             b"the origin", row.zone, row.applications[call.application].name)
    return TO_BE_ASKED


cdef AccessVerdict access_judge(const AccessRow *row, const RuleFacts *facts, const ClientIdentity *who,
                                uint64_t now_ms, AccessCall *call, char *text) noexcept nogil:
    """Judge a call by its head. Not to be called where access_applies says no.

    `facts` needs section, head, hostname and client, `call` its places; `who` may be NULL; `now_ms` is the wall clock.
    """
    cdef RuleText path
    path.at = NULL
    path.length = 0
    if facts.head.path != NULL:
        path.at = facts.head.path.value
        path.length = facts.head.path.value_length
    caller_read(&call.caller, &row.look, facts.section, who)
    return access_judge_again(row, &facts.hostname, &facts.client, &path, now_ms, call, text)


cdef bint access_applies(const AccessRow *row, bint grpc) noexcept nogil:
    """Are calls of this kind judged at all? gRPC is not where `bypass` says so, as the reference product has it."""
    return row != NULL and not (grpc and row.bypass)


cdef uint32_t access_assertion(const AccessRow *row, const AccessCall *call, uint64_t now_ms,
                               uint8_t *into) noexcept nogil:
    """Copy what the origin is told into ASSERTION_MOST octets, aligned as a uint64_t is; 0: nothing."""
    return vault_assertion(row.vault, call.assertion, now_ms, into) if call.assertion_wanted else 0


# ---- what Python is asked


cdef void _put(FieldSection *into, const char *name, uint32_t name_length, const uint8_t *value,
               uint32_t length) noexcept nogil:
    cdef Field *field = &into.fields[into.count]
    memset(field, 0, sizeof(Field))
    field.name = <const uint8_t *>name
    field.name_length = name_length
    field.value = value
    field.value_length = length
    into.count += 1
    into.seen = into.count
    into.list_size += name_length + length + 32


cdef bint access_question(const AccessRow *row, const AccessCall *call, const ClientIdentity *who, uint64_t now_ms,
                          FieldSection *into, uint8_t *room) noexcept nogil:
    """Write what has to be judged as fields, which point into the head, `who`, `call` and `room` (64 octets).

    `:row` the table; `:token0` to `:token3` a signed token by its header's place; `:certificate` in DER; `:assertion`
    by what the caller was admitted (1 octet), the audience (4) and whose identity it is (32). False: nothing.
    """
    cdef uint32_t place
    cdef uint8_t[32] key
    cdef Judged judged
    cdef const Caller *caller = &call.caller
    cdef const char *names = b":token0:token1:token2:token3"
    into.count = into.seen = into.list_size = 0
    into.too_large = False
    memcpy(room, &row.number, 8)
    _put(into, b":row", 4, room, 8)
    if call.assertion_wanted:
        room[8] = call.proof
        memcpy(room + 9, &row.applications[call.application].audience, 4)
        if call.proof == BY_SERVICE_TOKEN:
            memcpy(room + 13, caller.client, 32)
        elif call.proof == BY_TOKEN:
            memcpy(room + 13, caller.tokens[call.shown].digest, 32)
        else:
            memcpy(room + 13, caller.certificate, 32)
        _put(into, b":assertion", 10, room + 8, 37)
        if call.proof == BY_TOKEN and caller.tokens[call.shown].text != NULL:
            _put(into, names + 7 * call.shown, 7, caller.tokens[call.shown].text, caller.tokens[call.shown].length)
        elif call.proof == BY_CERTIFICATE and who != NULL and who.der != NULL:
            _put(into, b":certificate", 12, who.der, who.length)
        return True
    for place in range(row.look.header_count):
        if caller.tokens[place].text == NULL:
            continue
        access_key(row, OF_CREDENTIAL, <uint8_t>place, caller.tokens[place].digest, key)
        if not vault_verdict(row.vault, key, now_ms, &judged):
            _put(into, names + 7 * place, 7, caller.tokens[place].text, caller.tokens[place].length)
    if caller.certified and who != NULL and who.der != NULL:
        access_key(row, OF_CREDENTIAL, <uint8_t>_CERTIFICATE, caller.certificate, key)
        if not vault_verdict(row.vault, key, now_ms, &judged):
            _put(into, b":certificate", 12, who.der, who.length)
    return into.count > 1


# ---- a door for tests and tools


cdef int _head(list fields, FieldSection *section, RequestHead *head) except -1:
    """A head from (name, value) in octets, which must outlive it."""
    cdef Field *field
    memset(section, 0, sizeof(FieldSection))
    for name, value in fields[:FIELDS_MAX]:
        field = &section.fields[section.count]
        section.count += 1
        field.name = <const uint8_t *><const char *>(<bytes>name)
        field.name_length = <uint32_t>len(name)
        field.value = <const uint8_t *><const char *>(<bytes>value)
        field.value_length = <uint32_t>len(value)
        field.kind = field_kind(field.name, field.name_length)
    request_head_check(section, head)
    return 0


def judge(AccessTable table not None, list fields not None, bytes hostname not None, *, bytes client=None,
          bytes certificate=None, bytes digest=None, bint trusted=True, uint64_t now_ms=0):
    """Judge a head: a dict of all that comes of it. `client` in 4 or 16 octets; `digest` is the certificate's.

    `passed` are the fields that go on to the origin, `asked` what Python would be asked; `again` is the verdict of the
    second judgement, by what was kept.
    """
    cdef FieldSection section, question
    cdef RequestHead head
    cdef RuleFacts facts
    cdef ClientIdentity who
    cdef AccessCall call
    cdef char[ACCESS_TEXT] text
    cdef uint8_t[64] room
    cdef RuleText path
    cdef AccessVerdict verdict
    _head(fields, &section, &head)
    memset(&facts, 0, sizeof(facts))
    memset(&who, 0, sizeof(who))
    facts.section = &section
    facts.head = &head
    facts.hostname.at = hostname
    facts.hostname.length = <uint32_t>len(hostname)
    if client is not None:
        facts.client.at = client
        facts.client.length = <uint32_t>len(client)
    if certificate is not None:
        who.der = certificate
        who.length = <uint32_t>len(certificate)
        who.trusted = trusted
        memcpy(who.digest, <const char *>digest, 32)
    text[0] = 0
    verdict = access_judge(&table.row, &facts, &who, now_ms, &call, text)
    found = {
        "verdict": verdict,
        "text": text.decode(),
        "application": None if call.application == NO_APPLICATION else call.application,
        "proof": Proof(call.proof),
        "expires_ms": call.expires_ms,
        "pair": call.caller.pair,
        "asked": {},
    }
    if verdict == TO_BE_ASKED and access_question(&table.row, &call, &who, now_ms, &question, room):
        found["asked"] = dict(_fields(&question, False))
    caller_clean(&table.row.look, &table.row.identity, &section)
    found["passed"] = _fields(&section, True)
    caller_forget(&call.caller)
    path.at = head.path.value if head.path != NULL else NULL
    path.length = head.path.value_length if head.path != NULL else 0
    found["again"] = access_judge_again(&table.row, &facts.hostname, &facts.client, &path, now_ms, &call, text)
    return found


cdef list _fields(const FieldSection *section, bint passed):
    cdef uint32_t number
    cdef const Field *field
    cdef list found = []
    for number in range(section.count):
        field = &section.fields[number]
        if not (passed and field.kind == RESERVED):
            found.append(((<const char *>field.name)[:field.name_length],
                          (<const char *>field.value)[:field.value_length]))
    return found
