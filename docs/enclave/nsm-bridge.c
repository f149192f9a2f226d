/* Answers NSM requests on a Unix socket, for runtimes without ioctl.
 *
 * Runs inside an enclave: nsm-bridge /run/nsm.sock
 * Build: cc -O2 -static -o nsm-bridge nsm-bridge.c
 *
 * Each message is a length of 4 bytes, big-endian, and that many bytes of CBOR. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

enum { MAX_REQUEST = 0x1000, MAX_RESPONSE = 0x3000 };

struct nsm_message {
  struct iovec request;
  struct iovec response;
};

static int read_all(int fd, void *to, size_t size) {
  for (size_t got = 0; got < size;) {
    ssize_t n = read(fd, (char *)to + got, size - got);
    if (n <= 0) return -1;
    got += (size_t)n;
  }
  return 0;
}

static int write_all(int fd, const void *from, size_t size) {
  for (size_t put = 0; put < size;) {
    ssize_t n = write(fd, (const char *)from + put, size - put);
    if (n <= 0) return -1;
    put += (size_t)n;
  }
  return 0;
}

static void serve(int client, int device) {
  static uint8_t request[MAX_REQUEST], response[MAX_RESPONSE];
  for (;;) {
    uint32_t length;
    if (read_all(client, &length, sizeof length)) return;
    length = ntohl(length);
    if (length == 0 || length > MAX_REQUEST || read_all(client, request, length)) return;
    struct nsm_message message = {
        .request = {.iov_base = request, .iov_len = length},
        .response = {.iov_base = response, .iov_len = sizeof response},
    };
    if (ioctl(device, _IOWR(0x0A, 0, struct nsm_message), &message) < 0) return;
    if (message.response.iov_len > sizeof response) return;
    uint32_t size = htonl((uint32_t)message.response.iov_len);
    if (write_all(client, &size, sizeof size) || write_all(client, response, message.response.iov_len)) return;
  }
}

int main(int argc, char **argv) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (argc != 2 || strlen(argv[1]) >= sizeof address.sun_path) {
    fprintf(stderr, "usage: nsm-bridge <socket path>\n");
    return 2;
  }
  int device = open("/dev/nsm", O_RDWR | O_CLOEXEC);
  if (device < 0) {
    perror("/dev/nsm");
    return 1;
  }
  strcpy(address.sun_path, argv[1]);
  unlink(argv[1]);
  int listener = socket(AF_UNIX, SOCK_STREAM, 0);
  umask(0177);
  if (listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 16)) {
    perror(argv[1]);
    return 1;
  }
  for (;;) {
    int client = accept(listener, NULL, NULL);
    if (client < 0) continue;
    serve(client, device);
    close(client);
  }
}
