/* gblast: gRPC calls in a closed loop, one thread, TLS with h2 or cleartext; every answer is checked.
 *
 * It speaks with whoever started it: connects, warms up, prints READY, waits for a line, makes the calls, prints one
 * line of JSON, and waits for a line again, so that counters can be read before the connections go. Modes:
 *   run    --calls on the connections that are open (the default)
 *   churn  each call on a connection of its own, --conns of them at a time; --resume: with session tickets
 *   --rate in mode run: so many calls per second begin, whatever becomes of those before (an open loop)
 *   hold   one call on each connection, READY, then idle until the line */
#include "gblast.h"
#include <math.h>
#include <poll.h>

#define EVENTS 512

order_t order = {.conns = 1,
                 .streams = 1,
                 .calls = 1,
                 .request_size = 100,
                 .response_size = 100,
                 .response_count = 1,
                 .timeout = 120,
                 .path = "/bench.Echo/Unary",
                 .authority = "localhost",
                 .mode = "run"};
tally_t tally;
int ep;
static conn_t **conns;

static double latency_us(double share) {
  uint64_t wanted = (uint64_t)(share * (double)tally.latency_count), seen = 0;
  for (int step = 0; step < LATENCY_STEPS; step++) {
    seen += tally.latency[step];
    if (seen > wanted) {
      return exp((step + 0.5) / 100.0) / 1000.0;
    }
  }
  return (double)tally.latency_max / 1000.0;
}

static void drive_ready(int wait_ms) {
  struct epoll_event events[EVENTS];
  int ready = epoll_wait(ep, events, EVENTS, wait_ms);
  for (int at = 0; at < ready; at++) {
    conn_t *conn = events[at].data.ptr;
    if (!conn->dead) {
      conn_drive(conn, events[at].events);
    }
    if (conn->dead && order.churn && tally.issued < tally.quota) {
      conn_open(conn);
    }
  }
}

static bool any_alive(void) {
  for (int at = 0; at < order.conns; at++) {
    if (conns[at] && !conns[at]->dead && !conns[at]->goaway) {
      return true;
    }
  }
  return false;
}

/* Calls whose time has come begin, on one connection after the other. Returns ns until the next one is due. */
static uint64_t start_due(uint64_t begun) {
  static int turn;
  uint64_t now = now_ns(), due = now;
  bool room = true;
  while (room && tally.issued < tally.quota) {
    due = begun + (uint64_t)((double)tally.issued * 1e9 / order.rate);
    if (due > now) {
      break;
    }
    room = false;
    for (int tried = 0; !room && tried < order.conns; tried++) {
      room = conn_call(conns[turn], due);
      turn = (turn + 1) % order.conns;
    }
  }
  for (int at = 0; at < order.conns; at++) {
    if (!conns[at]->dead && io_pending(&conns[at]->io)) {
      conn_drive(conns[at], 0);
    }
  }
  return due > now ? due - now : 1000000;
}

/* --rate: the calls begin when they are due, and their latency is counted from then, begun or not. */
static void run_paced(uint64_t deadline) {
  uint64_t begun = now_ns();
  tally.paced = true;
  while (tally.ok + tally.failed < tally.quota) {
    uint64_t wait = start_due(begun);
    struct pollfd wanted = {.fd = ep, .events = POLLIN};
    /* Not after each single call: a timer costs the core that the origin needs too. */
    struct timespec until = {.tv_nsec = (long)(wait < 20000 ? 20000 : wait > 1000000 ? 1000000 : wait)};
    ppoll(&wanted, 1, &until, NULL);
    drive_ready(0);
    if (now_ns() > deadline || !any_alive()) {
      note_error("not done: %ld ok, %ld failed of %ld", tally.ok, tally.failed, tally.quota);
      return;
    }
  }
}

/* Until the quota is done: 0, or -1 if that cannot be. */
static int run_until(uint64_t deadline) {
  while (tally.ok + tally.failed < tally.quota) {
    drive_ready(1000);
    if (now_ns() > deadline) {
      tally.error[0] = 0; /* says more than what came first */
      note_error("timeout: %ld ok, %ld failed of %ld", tally.ok, tally.failed, tally.quota);
      return -1;
    }
    if (order.churn ? tally.conn_failed > 50 : !any_alive()) {
      note_error("all connections are gone");
      return -1;
    }
  }
  return 0;
}

static void drive_all(void) {
  for (int at = 0; at < order.conns; at++) {
    if (conns[at] && !conns[at]->dead) {
      conn_drive(conns[at], 0);
    }
  }
}

/* Wait for a line on standard input, and answer the peer's PING and SETTINGS meanwhile. */
static void wait_line(void) {
  char line[256];
  for (;;) {
    struct pollfd wanted[2] = {{.fd = 0, .events = POLLIN}, {.fd = ep, .events = POLLIN}};
    poll(wanted, 2, 60000);
    if (wanted[0].revents) {
      if (read(0, line, sizeof line) <= 0) {
        exit(2);
      }
      return;
    }
    if (wanted[1].revents) {
      drive_ready(0);
    }
  }
}

static bool take_flag(const char *word) {
  const struct {
    const char *word;
    bool *flag;
  } flags[] = {{"--plain", &order.plain},
               {"--resume", &order.resume},
               {"--burst", &order.burst},
               {"--verbose", &order.verbose}};
  for (size_t at = 0; at < sizeof flags / sizeof *flags; at++) {
    if (!strcmp(word, flags[at].word)) {
      return *flags[at].flag = true;
    }
  }
  return false;
}

static bool take_value(const char *word, const char *value) {
  const struct {
    const char *word;
    int *number;
  } numbers[] = {{"--port", &order.port},
                 {"--source", &order.source},
                 {"--conns", &order.conns},
                 {"--streams", &order.streams},
                 {"--fields", &order.fields},
                 {"--varied", &order.varied},
                 {"--request", (int *)&order.request_size},
                 {"--response", (int *)&order.response_size},
                 {"--count", (int *)&order.response_count}};
  for (size_t at = 0; at < sizeof numbers / sizeof *numbers; at++) {
    if (!strcmp(word, numbers[at].word)) {
      *numbers[at].number = atoi(value);
      return true;
    }
  }
  if (!strcmp(word, "--calls")) {
    order.calls = atol(value);
  } else if (!strcmp(word, "--warm")) {
    order.warm = atol(value);
  } else if (!strcmp(word, "--timeout")) {
    order.timeout = atof(value);
  } else if (!strcmp(word, "--rate")) {
    order.rate = atof(value);
  } else if (!strcmp(word, "--mode")) {
    order.mode = value;
  } else if (!strcmp(word, "--path")) {
    order.path = value;
  } else if (!strcmp(word, "--authority")) {
    order.authority = value;
  } else {
    return false;
  }
  return true;
}

static void prepare_body(void) {
  if (order.request_size < 16) {
    order.request_size = 16;
  }
  order.body_length = order.request_size + 5;
  order.body = malloc(order.body_length);
  for (uint32_t at = 0; at < order.body_length; at++) {
    order.body[at] = (uint8_t)(at * 37);
  }
  order.body[0] = 0;
  put32(order.body + 1, order.request_size);
  memcpy(order.body + 5, "GB01", 4);
  put32(order.body + 9, order.response_count);
  put32(order.body + 13, order.response_size);
  put32(order.body + 17, 0);
  order.expected = (uint64_t)order.response_count * (order.response_size + 5);
}

static int warm_churn(uint64_t deadline) {
  tally.quota = order.warm ? order.warm : 4;
  for (int at = 0; at < order.conns && at < tally.quota; at++) {
    conns[at] = conn_open(NULL);
  }
  return run_until(deadline);
}

/* All connections in small groups, one call on each. */
static int warm_hold(uint64_t deadline) {
  for (int at = 0; at < order.conns; at++) {
    conns[at] = conn_open(NULL);
    tally.quota = at + 1;
    if ((at % 50 == 49 || at == order.conns - 1) && run_until(deadline)) {
      return -1;
    }
  }
  return 0;
}

/* One connection after the other, unless --burst with a call on each in turn, so that the gateway's origin pool can
 * form as it does under traffic that grows. */
static int warm_run(uint64_t deadline) {
  for (int at = 0; at < order.conns; at++) {
    conns[at] = conn_open(NULL);
    while (!conns[at]->settings_seen && !conns[at]->dead) {
      drive_ready(1000);
      if (now_ns() > deadline) {
        note_error("timeout: no SETTINGS came");
        return -1;
      }
    }
    if (conns[at]->dead) {
      tally.failed++;
      return -1;
    }
    if (!order.burst) {
      tally.ramping = true;
      tally.quota = at + 1;
      conn_drive(conns[at], 0);
      if (run_until(deadline)) {
        return -1;
      }
      tally.ramping = false;
    }
  }
  tally.quota = tally.ok + (order.warm ? order.warm : order.conns);
  drive_all();
  return run_until(deadline);
}

static void run_calls(uint64_t deadline) {
  memset(&tally, 0, sizeof tally);
  tally.quota = order.calls;
  tally.measuring = true;
  if (order.rate > 0) {
    run_paced(deadline);
    return;
  }
  if (!order.churn) {
    drive_all();
  }
  for (int at = 0; order.churn && at < order.conns && at < order.calls; at++) {
    if (!conns[at] || conns[at]->dead) {
      conns[at] = conn_open(conns[at]);
    }
  }
  run_until(deadline);
}

static void report(double seconds) {
  double mean = tally.latency_count ? (double)tally.latency_sum / 1000.0 / (double)tally.latency_count : 0;
  printf("{\"ok\": %ld, \"err\": %ld, \"conn_err\": %ld, \"resets\": %ld, \"sec\": %.6f, \"rps\": %.1f, ",
         tally.ok, tally.failed, tally.conn_failed, tally.resets, seconds, (double)tally.ok / seconds);
  printf("\"p50_us\": %.1f, \"p90_us\": %.1f, \"p99_us\": %.1f, \"p999_us\": %.1f, \"max_us\": %.1f, ",
         latency_us(.5), latency_us(.9), latency_us(.99), latency_us(.999),
         (double)tally.latency_max / 1000.0);
  printf("\"mean_us\": %.1f, \"rx_bytes\": %lu, \"rx_data\": %lu, \"rx_frames\": %lu, ", mean, tally.received,
         tally.received_data, tally.received_frames);
  printf("\"handshakes\": %ld, \"resumed\": %ld, \"error\": \"%s\"}\n", tally.handshakes, tally.resumed,
         tally.error);
  fflush(stdout);
}

static uint64_t deadline_from_now(void) {
  return now_ns() + (uint64_t)(order.timeout * 1e9);
}

int main(int count, char **words) {
  for (int at = 1; at < count; at++) {
    if (!take_flag(words[at]) && !(at + 1 < count && take_value(words[at], words[at + 1]) && ++at)) {
      fprintf(stderr, "gblast: unknown option %s\n", words[at]);
      return 2;
    }
  }
  if (order.fields > 128 || order.conns < 1 || order.streams < 1) {
    fprintf(stderr, "gblast: at most 128 --fields, at least one of --conns and --streams\n");
    return 2;
  }
  signal(SIGPIPE, SIG_IGN);
  order.churn = !strcmp(order.mode, "churn");
  order.hold = !strcmp(order.mode, "hold");
  prepare_body();
  conn_prepare();
  ep = epoll_create1(0);
  conns = calloc((size_t)order.conns, sizeof *conns);
  uint64_t deadline = deadline_from_now();
  int failed = order.churn ? warm_churn(deadline) : order.hold ? warm_hold(deadline) : warm_run(deadline);
  if (failed || tally.failed) {
    report(1);
    return 1;
  }
  printf("READY\n");
  fflush(stdout);
  wait_line();
  uint64_t begun = now_ns();
  if (!order.hold) {
    run_calls(deadline_from_now());
  }
  report((double)(now_ns() - begun) / 1e9);
  if (!order.hold) {
    wait_line();
  }
  return 0;
}
