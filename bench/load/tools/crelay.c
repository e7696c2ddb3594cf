/* crelay: decrypts, encrypts and passes on, one origin connection per client connection, one thread, no HTTP.
 * The floor: what a gateway pays for TLS and system calls alone.
 *   crelay TLS_PORT PLAIN_PORT ORIGIN_TLS_PORT ORIGIN_PLAIN_PORT CERTIFICATE KEY */
#include "io.h"

#define PIECE (64 * 1024)
#define HELD_MAX (4u << 20)

typedef struct side {
  io_t io;
  struct side *peer;
  bool tls, shaken, connected, dead, listener;
  int origin_port; /* of a listener */
} side_t;

static int ep;
static SSL_CTX *server, *client;
static side_t *dead[4096];
static int dead_count;

static void close_side(side_t *side) {
  if (side->dead) {
    return;
  }
  side->dead = true;
  epoll_ctl(ep, EPOLL_CTL_DEL, side->io.fd, NULL);
  if (side->io.ssl) {
    SSL_free(side->io.ssl);
  }
  close(side->io.fd);
  dead[dead_count++] = side;
}

static void close_both(side_t *side) {
  side_t *peer = side->peer;
  close_side(side);
  if (peer) {
    close_side(peer);
  }
}

static bool is_ready(const side_t *side) {
  return side->connected && (!side->tls || side->shaken);
}

static void flush(side_t *side) {
  if (!is_ready(side) || side->dead) {
    return;
  }
  if (io_flush(&side->io) < 0) {
    close_both(side);
    return;
  }
  io_arm(&side->io, ep, side);
}

/* Read what is there straight into the other side's write buffer; stop while that holds too much. */
static void pump(side_t *side) {
  side_t *peer = side->peer;
  if (side->dead || !is_ready(side)) {
    return;
  }
  do {
    if (io_pending(&peer->io) > HELD_MAX) {
      break;
    }
    ssize_t got = io_read(&side->io, io_reserve(&peer->io, PIECE), PIECE);
    if (got < 0) {
      close_both(side);
      return;
    }
    if (got == 0) {
      break;
    }
    peer->io.filled += (size_t)got;
  } while (io_more(&side->io));
  flush(peer);
}

/* False if the side cannot carry octets yet, or not any more. */
static bool open_up(side_t *side, uint32_t events) {
  if (!side->connected) {
    if (events & (EPOLLERR | EPOLLHUP)) {
      close_both(side);
      return false;
    }
    if (!(events & EPOLLOUT)) {
      return false;
    }
    side->connected = true;
    side->io.armed = true;
    side->io.want_write = false;
  }
  if (side->tls && !side->shaken) {
    int done = io_handshake(&side->io, ep, side);
    if (done < 0) {
      close_both(side);
    }
    if (done != 1) {
      return false;
    }
    side->shaken = true;
    flush(side);
  }
  return !side->dead;
}

static void drive(side_t *side, uint32_t events) {
  if (!open_up(side, events)) {
    return;
  }
  if (events & EPOLLOUT) {
    flush(side);
    if (!side->dead && !io_pending(&side->io)) {
      pump(side->peer);
    }
    if (side->dead) {
      return;
    }
  }
  if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
    pump(side);
  }
}

static void listen_on(int port, bool tls, int origin_port) {
  side_t *side = calloc(1, sizeof *side);
  side->io.fd = io_listen(port);
  side->listener = true;
  side->tls = tls;
  side->origin_port = origin_port;
  io_watch(&side->io, ep, EPOLLIN, side);
}

static void start_tls(side_t *side, SSL_CTX *context) {
  side->io.ssl = SSL_new(context);
  SSL_set_fd(side->io.ssl, side->io.fd);
  if (context == server) {
    SSL_set_accept_state(side->io.ssl);
  } else {
    SSL_set_connect_state(side->io.ssl);
  }
}

static void accept_all(const side_t *listener) {
  for (;;) {
    int fd = accept4(listener->io.fd, NULL, NULL, SOCK_NONBLOCK);
    if (fd < 0) {
      return;
    }
    io_no_delay(fd);
    side_t *front = calloc(1, sizeof *front), *back = calloc(1, sizeof *back);
    front->peer = back;
    back->peer = front;
    front->io.fd = fd;
    front->connected = true;
    front->tls = back->tls = listener->tls;
    back->io.fd = io_connect(listener->origin_port, 0);
    if (listener->tls) {
      start_tls(front, server);
      start_tls(back, client);
    }
    io_watch(&front->io, ep, EPOLLIN, front);
    io_watch(&back->io, ep, EPOLLIN | EPOLLOUT, back);
  }
}

static void tune(SSL_CTX *context) {
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_read_ahead(context, 1);
#ifndef OPENSSL_IS_AWSLC
  SSL_CTX_set_default_read_buffer_len(context, PIECE);
#endif
}

int main(int count, char **words) {
  if (count != 7) {
    fprintf(stderr, "crelay TLS_PORT PLAIN_PORT ORIGIN_TLS_PORT ORIGIN_PLAIN_PORT CERTIFICATE KEY\n");
    return 2;
  }
  signal(SIGPIPE, SIG_IGN);
  ep = epoll_create1(0);
  server = io_server_context(words[5], words[6]);
  client = SSL_CTX_new(TLS_client_method());
  SSL_CTX_set_alpn_protos(client, (const uint8_t *)"\x02h2", 3);
  tune(server);
  tune(client);
  listen_on(atoi(words[1]), true, atoi(words[3]));
  listen_on(atoi(words[2]), false, atoi(words[4]));
  struct epoll_event events[256];
  for (;;) {
    int ready = epoll_wait(ep, events, 256, -1);
    for (int at = 0; at < ready; at++) {
      side_t *side = events[at].data.ptr;
      if (side->listener) {
        accept_all(side);
      } else if (!side->dead) {
        drive(side, events[at].events);
      }
    }
    for (int at = 0; at < dead_count; at++) {
      free(dead[at]->io.out);
      free(dead[at]);
    }
    dead_count = 0;
  }
}
