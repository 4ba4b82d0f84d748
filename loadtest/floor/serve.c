/* A server that does nothing but answer every request with 64 KiB, from memory or from a disk: no signature, no head to speak of,
 * no cache to look things up in. What it takes for a read from disk beyond one from memory is what a server built like the node
 * cannot go below. `run` measures it.
 *
 *   serve memory|disk FILE     prints its port; FILE has whole pages of 64 KiB
 *
 * A thread a core, each with its own connections and its own queue of asynchronous reads, as the node has. Each byte that a disk
 * has given is looked at once, as a checksum would. */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { PAGE = 64 << 10, POOL = 256 << 20, HUGE_PAGE = 2 << 20, EVENTS = 64, CORES = 64 };
/* RWF_NOWAIT */
enum { DO_NOT_WAIT = 8 };

static const char HEAD[] = "HTTP/1.1 206 Partial Content\r\nContent-Length: 65536\r\n\r\n";
static const size_t HEAD_BYTES = sizeof HEAD - 1;

struct connection {
    int fd;
    char request[4096];
    size_t received;
    char *page;
    /* Of head and page. */
    size_t sent;
};

struct core {
    int epoll, told;
    aio_context_t reads;
    uint64_t random, next;
};

static int from_disk, file;
static uint64_t file_pages;
static char *pool;
static struct core cores[CORES];
static volatile uint64_t looked_at;

static void must(int holds, const char *what) {
    if (!holds) {
        perror(what);
        exit(1);
    }
}

static uint64_t draw(struct core *core, uint64_t below) {
    core->random ^= core->random << 13;
    core->random ^= core->random >> 7;
    core->random ^= core->random << 17;
    return core->random % below;
}

static void look_at(const char *page) {
    const uint64_t *words = (const uint64_t *)page;
    uint64_t sum = 0;
    for (size_t i = 0; i < PAGE / sizeof *words; i++)
        sum += words[i];
    looked_at = sum;
}

/* Writes what the socket takes of head and page. */
static void answer(struct connection *it) {
    while (it->page && it->sent < HEAD_BYTES + PAGE) {
        size_t head = it->sent < HEAD_BYTES ? HEAD_BYTES - it->sent : 0;
        size_t begun = it->sent + head - HEAD_BYTES;
        struct iovec parts[] = {{(char *)HEAD + HEAD_BYTES - head, head}, {it->page + begun, PAGE - begun}};
        ssize_t written = writev(it->fd, parts, 2);
        if (written < 0)
            return;
        it->sent += (size_t)written;
    }
    it->page = NULL;
}

/* Has the kernel read a page of the file. */
static void submit(struct core *core, struct connection *it, int flags) {
    struct iocb read = {
        .aio_data = (uint64_t)it,
        .aio_lio_opcode = IOCB_CMD_PREAD,
        .aio_fildes = (uint32_t)file,
        .aio_buf = (uint64_t)it->page,
        .aio_nbytes = PAGE,
        .aio_offset = (int64_t)(draw(core, file_pages) * PAGE),
        .aio_flags = IOCB_FLAG_RESFD,
        .aio_resfd = (uint32_t)core->told,
        .aio_rw_flags = flags,
    };
    struct iocb *reads[] = {&read};
    must(syscall(SYS_io_submit, core->reads, 1L, reads) == 1, "io_submit");
}

static void begin(struct core *core, struct connection *it) {
    it->sent = 0;
    if (!from_disk) {
        it->page = pool + draw(core, POOL / PAGE) * PAGE;
        answer(it);
        return;
    }
    /* A cache hands its memory round: what it reads into was not used for a while. */
    it->page = pool + core->next++ % (POOL / PAGE) * PAGE;
    submit(core, it, DO_NOT_WAIT);
}

static void receive(struct core *core, struct connection *it) {
    for (;;) {
        ssize_t got = recv(it->fd, it->request + it->received, sizeof it->request - 1 - it->received, 0);
        if (got < 0 && errno == EAGAIN)
            return;
        if (got <= 0) {
            /* Left open where a read or an answer is under way; the run ends soon. */
            if (!it->page) {
                close(it->fd);
                free(it);
            }
            return;
        }
        it->received += (size_t)got;
        it->request[it->received] = 0;
        if (strstr(it->request, "\r\n\r\n")) {
            it->received = 0;
            begin(core, it);
            return;
        }
    }
}

static void reap(struct core *core) {
    struct io_event arrived[EVENTS];
    struct timespec at_once = {0, 0};
    long count;
    do {
        count = syscall(SYS_io_getevents, core->reads, 0L, (long)EVENTS, arrived, &at_once);
        for (long i = 0; i < count; i++) {
            struct connection *it = (struct connection *)arrived[i].data;
            if (arrived[i].res == -EAGAIN) {
                /* The kernel would have had to wait before it could begin. */
                submit(core, it, 0);
                continue;
            }
            errno = arrived[i].res < 0 ? (int)-arrived[i].res : EIO;
            must(arrived[i].res == PAGE, "a read from the disk");
            look_at(it->page);
            answer(it);
        }
    } while (count == EVENTS);
}

static void *serve(void *argument) {
    struct core *core = argument;
    struct epoll_event events[EVENTS];
    for (;;) {
        int count = epoll_wait(core->epoll, events, EVENTS, -1);
        for (int i = 0; i < count; i++) {
            struct connection *it = events[i].data.ptr;
            if (!it) {
                reap(core);
                continue;
            }
            /* An answer that was begun. */
            if (events[i].events & EPOLLOUT && it->sent)
                answer(it);
            if (events[i].events & EPOLLIN)
                receive(core, it);
        }
    }
    return NULL;
}

static void open_core(struct core *core, int number, int count) {
    core->epoll = epoll_create1(0);
    core->told = eventfd(0, EFD_NONBLOCK);
    core->random = 88172645463325252u + (uint64_t)number;
    core->next = POOL / PAGE / (uint64_t)count * (uint64_t)number;
    must(syscall(SYS_io_setup, 256L, &core->reads) == 0, "io_setup");
    struct epoll_event told = {.events = EPOLLIN | EPOLLET, .data.ptr = NULL};
    must(epoll_ctl(core->epoll, EPOLL_CTL_ADD, core->told, &told) == 0, "epoll_ctl");
    pthread_t thread;
    must(pthread_create(&thread, NULL, serve, core) == 0, "pthread_create");
}

int main(int count, char **arguments) {
    must(count == 3, "usage: serve memory|disk FILE");
    /* A client that has gone is not worth ending for. */
    signal(SIGPIPE, SIG_IGN);
    from_disk = strcmp(arguments[1], "disk") == 0;
    file = open(arguments[2], O_RDONLY | O_DIRECT);
    must(file >= 0, arguments[2]);
    file_pages = (uint64_t)lseek(file, 0, SEEK_END) / PAGE;

    char *mapped = mmap(NULL, POOL + HUGE_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    must(mapped != MAP_FAILED, "mmap");
    pool = (char *)(((uintptr_t)mapped + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE);
    madvise(pool, POOL, MADV_HUGEPAGE);
    memset(pool, 7, POOL);

    int listener = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    must(bind(listener, (struct sockaddr *)&address, length) == 0 && listen(listener, 1024) == 0, "listen");
    must(getsockname(listener, (struct sockaddr *)&address, &length) == 0, "getsockname");

    long online = sysconf(_SC_NPROCESSORS_ONLN);
    int used = online > CORES ? CORES : (int)online;
    for (int i = 0; i < used; i++)
        open_core(&cores[i], i, used);
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);

    for (int i = 0;; i++) {
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK), on = 1;
        must(fd >= 0, "accept");
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        struct connection *it = calloc(1, sizeof *it);
        it->fd = fd;
        struct epoll_event ready = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = it};
        must(epoll_ctl(cores[i % used].epoll, EPOLL_CTL_ADD, fd, &ready) == 0, "epoll_ctl");
    }
}
