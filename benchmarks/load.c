/* A Socket.IO load generator: one thread, one epoll, Engine.IO 4. cc -O2 -o load load.c
 *
 * usage: load MODE PORT [NAME=VALUE ...]
 *
 *   idle       hold the clients and answer pings
 *   ack        every client keeps `window` emits with acknowledgement ("echo", payload) in flight
 *   broadcast  `senders` clients emit ("bcast", payload), which must reach every client; then the next
 *   rooms      `senders` clients emit ("say", room, payload), which must reach the room's `members`; then the next
 *   storm      every client connects, joins `joins` rooms, disconnects, and begins again
 *   churn      every client joins `joins` rooms with one message and leaves them with the next
 *
 *   clients=100 window=1 payload=32 (bytes) binary=0 senders=1 rooms=1000 members=10 joins=1
 *   fill=0      so many thousand rooms exist before, held by clients of their own; `joins` are of a thousand of them
 *   polling=0   1: by long-polling (idle and ack only)
 *
 * It connects, prints one line of JSON, and obeys its standard input: "run SECONDS" loads the server for so long, waits
 * until everything in flight has arrived, so that the server is idle again, and prints one line of JSON. The end of the
 * input ends it. Times are microseconds. Only 127.0.0.1 is spoken to, from 32 loopback addresses, lest ports run out. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { SOURCES = 32, CONNECTING_AT_ONCE = 64, FILLER_ROOMS = 1000, JOIN_BATCH = 100, TAG = 5 };
enum { CONNECT_LIMIT = 180000000, DRAIN_LIMIT = 20000000 };

enum mode { IDLE, ACK, BROADCAST, ROOMS, STORM, CHURN, MODES };
static const char *const MODE_NAMES[MODES] = {"idle", "ack", "broadcast", "rooms", "storm", "churn"};

static enum mode mode;
static int port;
static struct {
    const char *name;
    int value;
} options[] = {{"clients", 100}, {"window", 1},   {"payload", 32}, {"binary", 0}, {"senders", 1}, {"rooms", 1000},
               {"members", 10},  {"joins", 1},    {"fill", 0},     {"polling", 0}};
enum { CLIENTS, WINDOW, PAYLOAD, BINARY, SENDERS, N_ROOMS, MEMBERS, JOINS, FILL, POLLING, OPTIONS };
#define OPT(which) (options[which].value)

struct buffer {
    char *data;
    size_t length, capacity;
};

/* One TCP connection: a WebSocket, or one of the two that a polling client keeps alive. */
struct stream {
    struct client *client;
    int fd;
    bool connected, upgraded, writing, waiting; /* waiting: for the response to a request */
    struct buffer in, out;
    size_t sent; /* of out */
};

enum stage { OPENING, JOINING, READY, CLOSING, CLOSED };

struct client {
    enum stage stage;
    int number; /* fillers come first */
    struct stream main, posts;
    struct buffer queued; /* packets for the next POST */
    char sid[64];
    int joined, answered_slot;
    bool joining; /* churn: the message in flight is a join */
    uint64_t began, *sent_at; /* sent_at: of each slot of the window, 0 while it is free */
};

struct sender {
    uint64_t sent_at;
    int left, turn; /* deliveries that have not arrived; broadcasts so far */
};

static int epoll, fillers, total;
static struct client *clients;
static struct sender *senders;
static char *payload;
static long ready, opening, lost, errors, pings, messages, in_flight;
static bool running, ending;
static uint64_t deadline, last_message;

/* ---------------- small things ---------------- */
static uint64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static char *reserve(struct buffer *b, size_t more) {
    if (b->length + more > b->capacity) {
        b->capacity = (b->length + more) * 2;
        b->data = realloc(b->data, b->capacity);
    }
    return b->data + b->length;
}

static void append(struct buffer *b, const void *data, size_t length) {
    memcpy(reserve(b, length), data, length);
    b->length += length;
}

static void consume(struct buffer *b, size_t length) {
    b->length -= length;
    memmove(b->data, b->data + length, b->length);
}

__attribute__((format(printf, 2, 3))) static void print_to(struct buffer *b, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    b->length += vsnprintf(reserve(b, 256), 256, format, arguments); /* every caller stays below */
    va_end(arguments);
}

static void failed(const char *what, const char *data, size_t length) {
    if (errors++ < 3) fprintf(stderr, "%s: %.*s\n", what, (int)(length < 200 ? length : 200), data);
}

/* Latencies in buckets 1/64 apart, so that a percentile is off by 1.6 % at most. */
enum { STEP = 64, BUCKETS = STEP * 34 };
static uint64_t buckets[BUCKETS], slowest;

static void record(uint64_t since) {
    uint64_t value = last_message - since;
    int shift = value < STEP ? 0 : 57 - __builtin_clzll(value); /* leaves 64 to 127 */
    size_t at = value < STEP ? value : (size_t)shift * STEP + (value >> shift);
    buckets[at < BUCKETS ? at : BUCKETS - 1]++;
    if (value > slowest) slowest = value;
}

static uint64_t percentile(double share) {
    uint64_t all = 0, seen = 0;
    for (size_t i = 0; i < BUCKETS; i++) all += buckets[i];
    for (size_t i = 0; i < BUCKETS; i++) {
        seen += buckets[i];
        if (seen > 0 && (double)seen >= share * (double)all)
            return i < STEP ? i : (i % STEP + STEP) << (i / STEP - 1);
    }
    return 0;
}

/* One message of the run has done its round. */
static void count(uint64_t since) {
    last_message = now();
    record(since);
    messages++;
    in_flight--;
}

static bool goes_on(void) { return running && last_message < deadline; }

/* ---------------- streams ---------------- */
static void on_lost(struct client *c);

static void watch(struct stream *s, bool writing, int how) {
    struct epoll_event event = {.events = EPOLLIN | (writing ? EPOLLOUT : 0), .data.ptr = s};
    s->writing = writing;
    epoll_ctl(epoll, how, s->fd, &event);
}

static void open_stream(struct stream *s, struct client *c) {
    struct sockaddr_in server = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(0x7f000001)};
    struct sockaddr_in source = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000001 + c->number % SOURCES)};
    int on = 1;
    s->client = c;
    s->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    s->connected = s->upgraded = s->waiting = false;
    s->in.length = s->out.length = s->sent = 0;
    setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(s->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    bind(s->fd, (void *)&source, sizeof source);
    connect(s->fd, (void *)&server, sizeof server);
    watch(s, true, EPOLL_CTL_ADD);
}

static void close_stream(struct stream *s) {
    if (s->fd >= 0) close(s->fd);
    s->fd = -1;
}

/* Sends what the kernel takes; the rest when it is writable. */
static void flush(struct stream *s) {
    while (s->fd >= 0 && s->connected && s->sent < s->out.length) {
        ssize_t taken = send(s->fd, s->out.data + s->sent, s->out.length - s->sent, MSG_NOSIGNAL);
        if (taken < 0) {
            if (errno != EAGAIN) on_lost(s->client);
            else if (!s->writing) watch(s, true, EPOLL_CTL_MOD);
            return;
        }
        s->sent += taken;
    }
    if (s->fd >= 0 && s->connected) {
        s->out.length = s->sent = 0;
        if (s->writing) watch(s, false, EPOLL_CTL_MOD);
    }
}

/* One masked frame, into the buffer: what is sent together costs one call. */
static void frame(struct stream *s, int opcode, const char *data, size_t length) {
    static const uint8_t MASK[8] = {0x37, 0xfa, 0x21, 0x3d, 0x37, 0xfa, 0x21, 0x3d};
    uint8_t head[14] = {0x80 | opcode};
    size_t n = 2, at = 0;
    if (length < 126) {
        head[1] = length;
    } else {
        int bytes = length < 65536 ? 2 : 8;
        head[1] = bytes == 2 ? 126 : 127;
        for (int i = bytes - 1; i >= 0; i--) head[n++] = (uint64_t)length >> (8 * i);
    }
    head[1] |= 0x80;
    memcpy(head + n, MASK, 4);
    append(&s->out, head, n + 4);
    char *to = reserve(&s->out, length);
    uint64_t mask, word;
    memcpy(&mask, MASK, 8);
    for (; at + 8 <= length; at += 8) {
        memcpy(&word, data + at, 8);
        word ^= mask;
        memcpy(to + at, &word, 8);
    }
    for (; at < length; at++) to[at] = data[at] ^ MASK[at % 4];
    s->out.length += length;
}

/* ---------------- packets to the server ---------------- */
static void request(struct stream *s, struct client *c, const char *body, size_t length) {
    if (s->fd < 0) open_stream(s, c);
    bool post = s == &c->posts;
    print_to(&s->out, "%s /socket.io/?EIO=4&transport=polling%s%s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n",
             post ? "POST" : "GET", *c->sid ? "&sid=" : "", c->sid, port);
    if (post) print_to(&s->out, "Content-Type: text/plain;charset=UTF-8\r\nContent-Length: %zu\r\n", length);
    append(&s->out, "\r\n", 2);
    append(&s->out, body, length);
    s->waiting = true;
    flush(s);
}

static void post_queued(struct client *c) {
    if (c->posts.waiting || !c->queued.length) return;
    request(&c->posts, c, c->queued.data, c->queued.length);
    c->queued.length = 0;
}

static void send_packet(struct client *c, const char *packet, size_t length) {
    if (!OPT(POLLING)) {
        frame(&c->main, 1, packet, length);
        return;
    }
    if (c->queued.length) append(&c->queued, "\x1e", 1);
    append(&c->queued, packet, length);
    post_queued(c);
}

static struct buffer packet; /* under construction */

static void emit_echo(struct client *c, int slot) {
    packet.length = 0;
    if (OPT(BINARY)) {
        print_to(&packet, "451-%d[\"echo\",{\"_placeholder\":true,\"num\":0}]", slot);
    } else {
        print_to(&packet, "42%d[\"echo\",\"", slot);
        append(&packet, payload, OPT(PAYLOAD));
        append(&packet, "\"]", 2);
    }
    in_flight++;
    c->sent_at[slot] = now();
    send_packet(c, packet.data, packet.length);
    if (OPT(BINARY)) frame(&c->main, 2, payload, OPT(PAYLOAD));
}

static struct client *client_of(int sender) { return &clients[fillers + sender * OPT(CLIENTS) / OPT(SENDERS)]; }

/* The payload begins with the sender's number, so that a delivery can be told from another's. */
static void emit_to_many(int number) {
    struct sender *sender = &senders[number];
    packet.length = 0;
    if (mode == BROADCAST) {
        print_to(&packet, "42[\"bcast\",\"%0*d", TAG, number);
        sender->left = OPT(CLIENTS);
    } else {
        int room = (number + sender->turn * OPT(SENDERS)) % OPT(N_ROOMS);
        print_to(&packet, "42[\"say\",\"room-%d\",\"%0*d", room, TAG, number);
        sender->left = OPT(MEMBERS);
    }
    append(&packet, payload + TAG, OPT(PAYLOAD) - TAG);
    append(&packet, "\"]", 2);
    in_flight += sender->left;
    sender->turn++;
    sender->sent_at = now();
    send_packet(client_of(number), packet.data, packet.length);
    flush(&client_of(number)->main);
}

static int rooms_of(const struct client *c) {
    if (c->number < fillers) return FILLER_ROOMS;
    return mode == ROOMS ? OPT(N_ROOMS) * OPT(MEMBERS) / OPT(CLIENTS) : mode == STORM || mode == CHURN ? OPT(JOINS) : 0;
}

static void print_room(const struct client *c, int index) {
    int room = c->number - fillers;
    if (c->number < fillers) room = c->number * FILLER_ROOMS + index;
    else if (mode == ROOMS) room = (room * rooms_of(c) + index) % OPT(N_ROOMS);
    else if (OPT(FILL)) room = (room * rooms_of(c) + index) * 7 % FILLER_ROOMS * fillers; /* a thousand, of all ages */
    print_to(&packet, "%s\"room-%d\"", index % JOIN_BATCH ? "," : "", room);
}

/* `event`: join or leave; up to JOIN_BATCH rooms, from the given one on. */
static int emit_rooms(struct client *c, const char *event, int from) {
    int to = rooms_of(c) < from + JOIN_BATCH ? rooms_of(c) : from + JOIN_BATCH;
    packet.length = 0;
    print_to(&packet, "420[\"%s\",[", event);
    for (int i = from; i < to; i++) print_room(c, i);
    append(&packet, "]]", 2);
    send_packet(c, packet.data, packet.length);
    return to;
}

/* ---------------- the life of a client ---------------- */
static void open_client(struct client *c) {
    c->stage = OPENING;
    c->joined = 0;
    c->began = now();
    opening++;
    if (OPT(POLLING)) {
        request(&c->main, c, "", 0);
        return;
    }
    open_stream(&c->main, c);
    print_to(&c->main.out, "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n", port);
    print_to(&c->main.out, "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                           "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
}

static void on_closed(struct client *c) { /* as it should: of a storm */
    count(c->began);
    c->stage = CLOSED;
    if (goes_on()) {
        in_flight++;
        open_client(c);
    }
}

static void on_lost(struct client *c) {
    enum stage stage = c->stage;
    if (stage == CLOSED) return;
    close_stream(&c->main);
    close_stream(&c->posts);
    if (stage == CLOSING) {
        on_closed(c);
        return;
    }
    c->stage = CLOSED;
    if (stage == READY) ready--;
    else opening--;
    if (!ending) lost++;
}

static void on_ready(struct client *c) {
    opening--;
    if (mode == STORM && c->number >= fillers) {
        c->stage = CLOSING;
        frame(&c->main, 1, "41", 2);
        frame(&c->main, 8, "\x03\xe8", 2);
        return;
    }
    c->stage = READY;
    ready++;
}

static void join_next(struct client *c) {
    bool wanted = mode != CHURN || c->number < fillers;
    c->stage = JOINING;
    if (wanted && c->joined < rooms_of(c)) c->joined = emit_rooms(c, "join", c->joined);
    else on_ready(c);
}

/* ---------------- packets from the server ---------------- */
static void on_answered(struct client *c, int slot, const char *data, size_t length) {
    if (slot < 0 || slot >= OPT(WINDOW) || !c->sent_at[slot] || length != (size_t)OPT(PAYLOAD) ||
        memcmp(data, payload, length)) {
        failed("not the answer", data, length);
        return;
    }
    count(c->sent_at[slot]);
    c->sent_at[slot] = 0;
    if (goes_on()) emit_echo(c, slot);
}

static void on_ack(struct client *c, const char *data, size_t length) {
    const char *body = memchr(data, '[', length);
    int slot = atoi(data);
    if (!body) {
        failed("not an ack", data, length);
    } else if (c->stage == JOINING) {
        join_next(c);
    } else if (mode == CHURN) {
        count(c->sent_at[0]);
        c->sent_at[0] = last_message;
        c->joining = !c->joining;
        if (!goes_on()) return;
        in_flight++;
        emit_rooms(c, c->joining ? "join" : "leave", 0);
    } else {
        size_t left = data + length - body;
        if (left < 4) failed("not an answer", data, length);
        else on_answered(c, slot, body + 2, left - 4);
    }
}

static void on_delivery(const char *data, size_t length) {
    static const char START[] = "[\"bcast\",\"";
    size_t start = sizeof START - 1;
    if (length != start + OPT(PAYLOAD) + 2 || memcmp(data, START, start) ||
        memcmp(data + start + TAG, payload + TAG, OPT(PAYLOAD) - TAG)) {
        failed("not the broadcast", data, length);
        return;
    }
    int number = atoi(data + start); /* what follows the digits is a letter */
    if (number < 0 || number >= OPT(SENDERS) || senders[number].left <= 0) {
        failed("too many deliveries", data, length);
        return;
    }
    count(senders[number].sent_at);
    if (--senders[number].left == 0 && goes_on()) emit_to_many(number);
}

static void on_socketio(struct client *c, const char *data, size_t length) {
    switch (*data) {
    case '0':
        join_next(c);
        break;
    case '2':
        on_delivery(data + 1, length - 1);
        break;
    case '3':
        on_ack(c, data + 1, length - 1);
        break;
    case '6': /* one attachment follows: "61-ID[...]" */
        c->answered_slot = length > 3 ? atoi(data + 3) : -1;
        break;
    default:
        failed("refused", data, length);
        on_lost(c);
    }
}

static void on_packet(struct client *c, const char *data, size_t length) {
    if (length == 0) return;
    if (*data == '0') {
        const char *sid = memmem(data, length, "\"sid\":\"", 7);
        if (sid) sscanf(sid + 7, "%63[^\"]", c->sid);
        send_packet(c, "40", 2);
    } else if (*data == '2') {
        pings++;
        send_packet(c, "3", 1);
    } else if (*data == '4' && length > 1) {
        on_socketio(c, data + 1, length - 1);
    } else if (*data == '1') {
        on_lost(c);
    }
}

/* ---------------- bytes from the server ---------------- */
/* How many bytes were whole frames; the frames go on to the client. */
static size_t read_frames(struct stream *s, const char *bytes, size_t length) {
    const uint8_t *data = (const uint8_t *)bytes;
    struct client *c = s->client;
    size_t at = 0;
    while (length - at >= 2) {
        uint64_t size = data[at + 1] & 127;
        int opcode = data[at] & 15, extra = size == 126 ? 2 : size == 127 ? 8 : 0;
        size_t head = 2 + extra;
        if (length - at < head) break;
        if (extra) size = 0;
        for (int i = 0; i < extra; i++) size = size << 8 | data[at + 2 + i];
        if (length - at < head + size) break;
        const char *message = bytes + at + head;
        bool whole = data[at] & 0x80;
        at += head + size;
        if (opcode == 1 && whole) on_packet(c, message, size);
        else if (opcode == 2 && whole) on_answered(c, c->answered_slot, message, size);
        else if (opcode == 8) on_lost(c);
        else if (opcode == 9) frame(s, 10, message, size); /* uvicorn pings by itself */
        else failed("fragments are not understood", message, size);
        if (s->fd < 0 || !s->upgraded) return length; /* closed, or a new connection by now */
    }
    return at;
}

/* The length of all chunks together, or -1 if the last has not come. `join`: removes what stands between them. */
static long chunks(char *body, size_t length, bool join) {
    size_t from = 0, to = 0;
    for (;;) {
        char *line = memmem(body + from, length - from, "\r\n", 2);
        if (!line) return -1;
        size_t size = strtoul(body + from, NULL, 16), start = line + 2 - body;
        if (length < start + size + 2) return -1;
        if (size == 0) return (long)to;
        if (join) memmove(body + to, body + start, size);
        to += size;
        from = start + size + 2;
    }
}

static const char *header(const char *head, const char *end, const char *name) {
    size_t n = strlen(name);
    for (const char *line = head; line && line + n < end; line = memmem(line, end - line, "\r\n", 2)) {
        if (*line == '\r') line += 2;
        if (!strncasecmp(line, name, n)) return line + n;
        line++;
    }
    return NULL;
}

/* The one response that was asked for, once it is whole. A GET asks again at once. */
static void read_response(struct stream *s) {
    struct client *c = s->client;
    append(&s->in, "", 1); /* an end for strtoul */
    s->in.length--;
    char *head = s->in.data, *end = s->in.length ? memmem(head, s->in.length, "\r\n\r\n", 4) : NULL;
    if (!end) return;
    char *body = end + 4;
    size_t come = s->in.data + s->in.length - body;
    const char *sized = header(head, end, "content-length:"), *close = header(head, end, "connection: close");
    long length = sized ? (long)strtoul(sized, NULL, 10) : chunks(body, come, false);
    if (length < 0 || (sized && come < (size_t)length)) return;
    if (!sized) chunks(body, come, true);
    s->waiting = false;
    if (s->in.length < 12 || memcmp(head + 9, "200", 3)) {
        failed("a response", head, s->in.length);
        on_lost(c);
        return;
    }
    struct buffer response = s->in; /* the stream may be used while the packets are read */
    s->in = (struct buffer){0};
    if (close) close_stream(s);
    if (s == &c->posts) {
        post_queued(c);
    } else {
        for (char *at = body, *last = body + length; at && at < last;) {
            char *next = memchr(at, '\x1e', last - at);
            on_packet(c, at, (next ? next : last) - at);
            at = next ? next + 1 : NULL;
        }
        if (c->stage != CLOSED) request(s, c, "", 0);
    }
    free(response.data);
}

static void read_upgrade(struct stream *s) {
    char *end = memmem(s->in.data, s->in.length, "\r\n\r\n", 4);
    if (!end) return;
    if (memcmp(s->in.data, "HTTP/1.1 101", 12)) {
        failed("no WebSocket", s->in.data, s->in.length);
        on_lost(s->client);
        return;
    }
    s->upgraded = true;
    consume(&s->in, end + 4 - s->in.data);
}

/* Small messages are read where they arrive; only what is not whole yet is kept with the stream. */
static void on_readable(struct stream *s) {
    static char arrived[1 << 18];
    bool direct = s->upgraded && s->in.length == 0;
    char *to = direct ? arrived : reserve(&s->in, sizeof arrived);
    ssize_t come = recv(s->fd, to, sizeof arrived, 0);
    if (come < 0 && errno == EAGAIN) return;
    if (come <= 0) {
        if (OPT(POLLING) && !s->waiting) close_stream(s); /* the server no longer keeps it alive: the next opens one */
        else on_lost(s->client);
        return;
    }
    if (direct) {
        size_t read = read_frames(s, arrived, come);
        if (read < (size_t)come) append(&s->in, arrived + read, come - read);
    } else {
        s->in.length += come;
        if (OPT(POLLING)) read_response(s);
        else if (!s->upgraded) read_upgrade(s);
        if (s->upgraded && s->fd >= 0) {
            size_t read = read_frames(s, s->in.data, s->in.length);
            if (s->upgraded && s->fd >= 0) consume(&s->in, read);
        }
    }
    if (s->out.length > s->sent) flush(s);
}

static void on_connected(struct stream *s) {
    int error = 0;
    socklen_t length = sizeof error;
    getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &error, &length);
    if (error) {
        failed("connect", strerror(error), strlen(strerror(error)));
        on_lost(s->client);
        return;
    }
    s->connected = true;
    flush(s);
}

static void spin(int milliseconds) {
    struct epoll_event events[256];
    int n = epoll_wait(epoll, events, 256, milliseconds);
    for (int i = 0; i < n; i++) {
        struct stream *s = events[i].data.ptr;
        if (!s || s->fd < 0) continue; /* the standard input, or closed by one before it */
        if (!s->connected) on_connected(s);
        else if (events[i].events & EPOLLOUT) flush(s);
        if (s->fd >= 0 && s->connected && events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) on_readable(s);
    }
}

/* ---------------- what the standard input asks for ---------------- */
static double cpu(void) {
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    return used.ru_utime.tv_sec + used.ru_stime.tv_sec + (used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

static void begin_all(void) {
    for (int i = fillers; i < total; i++) {
        struct client *c = &clients[i];
        if (mode == STORM) {
            in_flight++;
            open_client(c);
        }
        if (c->stage != READY) continue;
        if (mode == ACK)
            for (int slot = 0; slot < OPT(WINDOW); slot++) emit_echo(c, slot);
        if (mode == CHURN) {
            c->sent_at[0] = now();
            in_flight++;
            c->joining = !c->joining;
            emit_rooms(c, c->joining ? "join" : "leave", 0);
        }
        if (!OPT(POLLING)) flush(&c->main);
        spin(0);
    }
    if (mode == BROADCAST || mode == ROOMS)
        for (int i = 0; i < OPT(SENDERS); i++) emit_to_many(i);
}

static void run(double seconds) {
    uint64_t start = now();
    double cpu_before = cpu();
    memset(buckets, 0, sizeof buckets);
    messages = in_flight = pings = slowest = 0;
    deadline = start + (uint64_t)(seconds * 1e6);
    last_message = start;
    running = true;
    begin_all();
    while (now() < deadline || (in_flight > 0 && now() < deadline + DRAIN_LIMIT)) spin(10);
    running = false;
    if (mode == IDLE) messages = pings, last_message = now();
    double took = (last_message - start) / 1e6;
    printf("{\"messages\":%ld,\"seconds\":%.6f,\"rate\":%.1f,\"p50\":%lu,\"p90\":%lu,\"p99\":%lu,\"p999\":%lu,\"max\":%lu,",
           messages, took, took > 0 ? messages / took : 0, percentile(.5), percentile(.9), percentile(.99),
           percentile(.999), slowest);
    printf("\"pings\":%ld,\"errors\":%ld,\"lost\":%ld,\"unanswered\":%ld,\"load_cpu\":%.6f}\n", pings, errors, lost,
           in_flight, cpu() - cpu_before);
    fflush(stdout);
}

static void connect_all(void) {
    uint64_t start = now();
    int begun = 0, wanted = mode == STORM ? fillers : total;
    while (ready + lost < wanted && now() - start < CONNECT_LIMIT) {
        while (begun < wanted && opening < CONNECTING_AT_ONCE) open_client(&clients[begun++]);
        spin(100);
    }
    double took = (now() - start) / 1e6;
    printf("{\"connected\":%ld,\"wanted\":%d,\"seconds\":%.6f,\"errors\":%ld}\n", ready, wanted, took, errors);
    fflush(stdout);
}

static bool read_options(int count, char **arguments) {
    for (mode = 0; mode < MODES && strcmp(arguments[1], MODE_NAMES[mode]); mode++) continue;
    port = atoi(arguments[2]);
    for (int i = 3; i < count; i++) {
        char *value = strchr(arguments[i], '=');
        int which = 0;
        if (!value) return false;
        *value++ = 0;
        while (which < OPTIONS && strcmp(options[which].name, arguments[i])) which++;
        if (which == OPTIONS) return false;
        options[which].value = atoi(value);
    }
    return mode < MODES && port > 0 && OPT(PAYLOAD) > TAG && OPT(SENDERS) <= OPT(CLIENTS) &&
           (!OPT(POLLING) || mode == IDLE || mode == ACK);
}

static void prepare(void) {
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    payload = malloc(OPT(PAYLOAD));
    for (int i = 0; i < OPT(PAYLOAD); i++) payload[i] = 'a' + i % 26;
    fillers = OPT(FILL);
    total = fillers + OPT(CLIENTS);
    clients = calloc(total, sizeof *clients);
    senders = calloc(OPT(SENDERS), sizeof *senders);
    for (int i = 0; i < total; i++) {
        clients[i].number = i;
        clients[i].stage = CLOSED;
        clients[i].main.fd = clients[i].posts.fd = -1;
        clients[i].sent_at = calloc(OPT(WINDOW), sizeof(uint64_t));
    }
    epoll = epoll_create1(0);
    struct epoll_event input = {.events = EPOLLIN};
    epoll_ctl(epoll, EPOLL_CTL_ADD, 0, &input);
    fcntl(0, F_SETFL, O_NONBLOCK);
}

int main(int count, char **arguments) {
    if (count < 3 || !read_options(count, arguments)) {
        fprintf(stderr, "usage: load MODE PORT [NAME=VALUE ...]; the source says which\n");
        return 2;
    }
    prepare();
    connect_all();
    for (;;) {
        char line[64];
        ssize_t come = read(0, line, sizeof line - 1);
        if (come == 0) break;
        if (come < 0) {
            spin(100);
            continue;
        }
        line[come] = 0;
        double seconds;
        if (sscanf(line, "run %lf", &seconds) == 1) run(seconds);
    }
    ending = true;
    return 0;
}
