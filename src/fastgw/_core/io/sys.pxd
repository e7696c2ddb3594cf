"""The kernel calls of the io rooms: declarations only, nothing is decided here."""
from libc.stdint cimport uint32_t, uint64_t

cdef extern from "<sys/types.h>" nogil:
    ctypedef int ssize_t
    ctypedef int mode_t

cdef extern from "<errno.h>" nogil:
    int errno
    enum:
        EAGAIN
        EWOULDBLOCK
        EINTR
        EINPROGRESS
        EALREADY
        EISCONN
        EPIPE
        EMFILE
        ENFILE
        ENOMEM
        ENOENT
        EACCES
        ECONNABORTED
        ECONNREFUSED
        ECONNRESET
        ENETUNREACH
        EHOSTUNREACH
        ENETDOWN
        EADDRNOTAVAIL
        EAFNOSUPPORT
        ETIMEDOUT

cdef extern from "<string.h>" nogil:
    char *strerror(int number)

cdef extern from "<unistd.h>" nogil:
    int close(int fd)
    ssize_t read(int fd, void *into, size_t room)
    ssize_t write(int fd, const void *data, size_t length)

cdef extern from "<sys/ioctl.h>" nogil:
    int ioctl(int fd, unsigned long request, void *into)

cdef extern from "<linux/sockios.h>" nogil:
    enum:
        SIOCOUTQ

cdef extern from "<sys/epoll.h>" nogil:
    enum:
        EPOLL_CLOEXEC
        EPOLL_CTL_ADD
        EPOLL_CTL_MOD
        EPOLL_CTL_DEL
        EPOLLIN
        EPOLLOUT
        EPOLLERR
        EPOLLHUP
        EPOLLRDHUP

    ctypedef union epoll_data_t:
        void *ptr
        int fd
        uint64_t u64

    struct epoll_event:
        uint32_t events
        epoll_data_t data

    int epoll_create1(int flags)
    int epoll_ctl(int epoll, int operation, int fd, epoll_event *event)
    int epoll_wait(int epoll, epoll_event *events, int room, int timeout_ms)

cdef extern from "<sys/eventfd.h>" nogil:
    enum:
        EFD_CLOEXEC
        EFD_NONBLOCK

    int eventfd(unsigned int start, int flags)

cdef extern from "<sys/socket.h>" nogil:
    ctypedef unsigned int socklen_t
    ctypedef unsigned short sa_family_t
    enum:
        AF_UNIX
        AF_INET
        AF_INET6
        SOCK_STREAM
        SOCK_NONBLOCK
        SOCK_CLOEXEC
        SOL_SOCKET
        SO_ERROR
        SO_KEEPALIVE
        SO_LINGER
        SO_RCVBUF
        SO_REUSEPORT
        SO_SNDBUF
        SHUT_WR
        MSG_DONTWAIT
        MSG_NOSIGNAL
        MSG_PEEK

    struct sockaddr:
        sa_family_t sa_family

    struct sockaddr_storage:
        sa_family_t ss_family

    int socket(int family, int kind, int protocol)
    int accept4(int fd, sockaddr *peer, socklen_t *length, int flags)
    int connect(int fd, const sockaddr *peer, socklen_t length)
    ssize_t recv(int fd, void *into, size_t room, int flags)
    ssize_t send(int fd, const void *data, size_t length, int flags)
    int shutdown(int fd, int how)
    int setsockopt(int fd, int level, int name, const void *value, socklen_t length)
    int getsockopt(int fd, int level, int name, void *value, socklen_t *length)
    int getsockname(int fd, sockaddr *own, socklen_t *length)
    int getpeername(int fd, sockaddr *peer, socklen_t *length)

cdef extern from "<netinet/in.h>" nogil:
    struct in_addr:
        pass
    struct in6_addr:
        pass
    struct sockaddr_in:
        unsigned short sin_family
        unsigned short sin_port
        in_addr sin_addr
    struct sockaddr_in6:
        unsigned short sin6_family
        unsigned short sin6_port
        in6_addr sin6_addr
    enum:
        IPPROTO_TCP

cdef extern from "<netinet/tcp.h>" nogil:
    enum:
        TCP_NODELAY

cdef extern from "<arpa/inet.h>" nogil:
    int inet_pton(int family, const char *text, void *into)
    const char *inet_ntop(int family, const void *octets, char *into, socklen_t size)
