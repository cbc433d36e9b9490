/*
 * A DTLS 1.3 peer over NSS, for the interoperability test: one UDP socket on the loopback interface, what comes in is written to standard
 * output, lines of standard input go out.
 *
 *   peer DATABASE client PORT [GROUP]      connects to PORT
 *   peer DATABASE server [GROUP]           waits on a free port, and says which
 *
 * GROUP is the one group it has for key exchange, by its IANA number; default: those of NSS. On standard output, one line each:
 *
 *   port N          waiting
 *   connected VERSION SUITE GROUP
 *   data TEXT
 *   failed ERROR    by its name
 *   closed
 *
 * The database (certutil) has one certificate with its key, called "peer".
 */
#include <cert.h>
#include <keyhi.h>
#include <nspr.h>
#include <nss.h>
#include <pk11pub.h>
#include <poll.h>
#include <private/pprio.h>
#include <ssl.h>
#include <sslproto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NAME "peer"
#define POLL_MS 1000

static CERTCertificate *certificate;
static SECKEYPrivateKey *key;

static void fail(void)
{
    const char *name = PR_ErrorToName(PR_GetError());
    printf("failed %s\n", name != NULL ? name : "of which NSS does not say why");
    exit(1);
}

static void check(int failed)
{
    if (failed) fail();
}

/* Signalling would have told the fingerprint; the test compares the certificate on its side. */
static SECStatus accept_any(void *arg, PRFileDesc *fd, PRBool check_signature, PRBool is_server)
{
    (void)arg, (void)fd, (void)check_signature, (void)is_server;
    return SECSuccess;
}

static SECStatus show_ours(void *arg, PRFileDesc *fd, CERTDistNames *names, CERTCertificate **chosen, SECKEYPrivateKey **its_key)
{
    (void)arg, (void)fd, (void)names;
    *chosen = CERT_DupCertificate(certificate);
    *its_key = SECKEY_CopyPrivateKey(key);
    return SECSuccess;
}

static PRNetAddr loopback(int port)
{
    PRNetAddr address;
    PR_InitializeNetAddr(PR_IpAddrLoopback, (PRUint16)port, &address);
    return address;
}

static PRFileDesc *open_socket(int port)
{
    PRFileDesc *udp = PR_OpenUDPSocket(PR_AF_INET);
    check(udp == NULL);
    PRNetAddr address = loopback(port > 0 ? port : 0);
    if (port > 0) {
        check(PR_Connect(udp, &address, PR_INTERVAL_NO_TIMEOUT) != PR_SUCCESS);
        return udp;
    }
    check(PR_Bind(udp, &address) != PR_SUCCESS);
    check(PR_GetSockName(udp, &address) != PR_SUCCESS);
    printf("port %d\n", PR_ntohs(address.inet.port));
    /* The first datagram says who the client is; it stays in the socket for the handshake. */
    char first[1];
    check(PR_RecvFrom(udp, first, sizeof first, PR_MSG_PEEK, &address, PR_INTERVAL_NO_TIMEOUT) < 0);
    check(PR_Connect(udp, &address, PR_INTERVAL_NO_TIMEOUT) != PR_SUCCESS);
    return udp;
}

static PRFileDesc *start(PRFileDesc *udp, int is_server, const char *group)
{
    PRSocketOptionData nonblocking = {.option = PR_SockOpt_Nonblocking, .value.non_blocking = PR_TRUE};
    check(PR_SetSocketOption(udp, &nonblocking) != PR_SUCCESS);
    PRFileDesc *fd = DTLS_ImportFD(NULL, udp);
    check(fd == NULL);
    SSLVersionRange only13 = {SSL_LIBRARY_VERSION_TLS_1_3, SSL_LIBRARY_VERSION_TLS_1_3};
    check(SSL_VersionRangeSet(fd, &only13) != SECSuccess);
    if (group != NULL) {
        SSLNamedGroup only = (SSLNamedGroup)strtol(group, NULL, 0);
        check(SSL_NamedGroupConfig(fd, &only, 1) != SECSuccess);
    }
    check(SSL_AuthCertificateHook(fd, accept_any, NULL) != SECSuccess);
    if (is_server) {
        check(SSL_ConfigServerCert(fd, certificate, key, NULL, 0) != SECSuccess);
        check(SSL_OptionSet(fd, SSL_REQUEST_CERTIFICATE, PR_TRUE) != SECSuccess);
        check(SSL_OptionSet(fd, SSL_REQUIRE_CERTIFICATE, SSL_REQUIRE_ALWAYS) != SECSuccess);
    } else {
        check(SSL_GetClientAuthDataHook(fd, show_ours, NULL) != SECSuccess);
        check(SSL_SetURL(fd, "localhost") != SECSuccess);
    }
    check(SSL_ResetHandshake(fd, is_server) != SECSuccess);
    return fd;
}

static void shake_hands(PRFileDesc *fd)
{
    while (SSL_ForceHandshake(fd) != SECSuccess) {
        check(PR_GetError() != PR_WOULD_BLOCK_ERROR);
        PRIntervalTime wait = PR_MillisecondsToInterval(POLL_MS);
        DTLS_GetHandshakeTimeout(fd, &wait); /* none: the one second stays */
        PRPollDesc readable = {.fd = fd, .in_flags = PR_POLL_READ};
        PR_Poll(&readable, 1, wait);
    }
    SSLChannelInfo info;
    check(SSL_GetChannelInfo(fd, &info, sizeof info) != SECSuccess);
    printf("connected 0x%04x 0x%04x 0x%04x\n", info.protocolVersion, info.cipherSuite, info.keaGroup);
}

/** False at the end. */
static int carry_in(PRFileDesc *fd)
{
    char text[2048];
    for (;;) {
        int length = PR_Recv(fd, text, sizeof text, 0, PR_INTERVAL_NO_WAIT);
        if (length < 0 && PR_GetError() == PR_WOULD_BLOCK_ERROR) return 1;
        if (length < 0) fail();
        if (length == 0) return 0;
        printf("data %.*s\n", length, text);
    }
}

static void talk(PRFileDesc *fd, int native)
{
    for (;;) {
        /* NSS may have data that the socket has no more; so it is asked first. */
        if (!carry_in(fd)) return;
        struct pollfd ready[] = {{.fd = native, .events = POLLIN}, {.fd = 0, .events = POLLIN}};
        poll(ready, 2, POLL_MS);
        if (!(ready[1].revents & (POLLIN | POLLHUP))) continue;
        char line[1024];
        ssize_t length = read(0, line, sizeof line);
        if (length <= 0) return;
        check(PR_Send(fd, line, (PRInt32)length, 0, PR_INTERVAL_NO_WAIT) != length);
    }
}

int main(int count, char **arguments)
{
    setvbuf(stdout, NULL, _IONBF, 0);
    if (count < 3) return 2;
    int is_server = strcmp(arguments[2], "server") == 0;
    if (!is_server && count < 4) return 2;
    int group_at = is_server ? 3 : 4;
    check(NSS_Init(arguments[1]) != SECSuccess);
    check(NSS_SetDomesticPolicy() != SECSuccess);
    certificate = PK11_FindCertFromNickname(NAME, NULL);
    check(certificate == NULL);
    key = PK11_FindKeyByAnyCert(certificate, NULL);
    check(key == NULL);
    PRFileDesc *udp = open_socket(is_server ? 0 : atoi(arguments[3]));
    int native = (int)PR_FileDesc2NativeHandle(udp);
    PRFileDesc *fd = start(udp, is_server, count > group_at ? arguments[group_at] : NULL);
    shake_hands(fd);
    talk(fd, native);
    PR_Close(fd);
    printf("closed\n");
    return 0;
}
