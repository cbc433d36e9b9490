import { execFileSync } from "node:child_process";
import { createPrivateKey, generateKeyPairSync, X509Certificate } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readPublicKey, verifySignature } from "../../../src/crypto/platform.ts";
import { Certificate, subjectPublicKeyInfo } from "../../../src/dtls/certificate.ts";

const NOT_BEFORE = Date.UTC(2026, 10, 22, 13, 35, 49);

describe("a generated certificate", () => {
  const certificate = Certificate.generate({ notBefore: NOT_BEFORE, days: 30, commonName: "prüfung" });
  const parsed = new X509Certificate(certificate.der);

  it("is a self-signed P-256 certificate that the platform parses and verifies", () => {
    expect(parsed.verify(parsed.publicKey)).toBe(true);
    expect(parsed.checkIssued(parsed)).toBe(true);
    expect(parsed.publicKey.asymmetricKeyDetails?.namedCurve).toBe("prime256v1");
    expect(parsed.checkPrivateKey(createPrivateKey(certificate.toPem().privateKey))).toBe(true);
    expect(parsed.subject).toBe("CN=prüfung");
    expect(parsed.issuer).toBe("CN=prüfung");
  });

  it("is valid from notBefore for the given days", () => {
    expect(Date.parse(parsed.validFrom)).toBe(NOT_BEFORE);
    expect(Date.parse(parsed.validTo)).toBe(NOT_BEFORE + 30 * 86_400_000);
  });

  it("has the fingerprint that the platform computes, in upper case with colons", () => {
    expect(certificate.fingerprint).toBe(parsed.fingerprint256);
    expect(certificate.fingerprint).toMatch(/^([0-9A-F]{2}:){31}[0-9A-F]{2}$/);
    expect(certificate.fingerprintBytes).toHaveLength(32);
  });

  it("writes dates from 2050 on as GeneralizedTime", () => {
    const late = new X509Certificate(Certificate.generate({ notBefore: Date.UTC(2049, 11, 31), days: 365 }).der);
    expect(Date.parse(late.validFrom)).toBe(Date.UTC(2049, 11, 31));
    expect(Date.parse(late.validTo)).toBe(Date.UTC(2050, 11, 31));
    expect(Buffer.from(late.raw).includes("20501231000000Z")).toBe(true);
  });

  it("has a positive serial number whatever the random source gives", () => {
    for (const fill of [0x00, 0xff]) {
      const random = (length: number) => new Uint8Array(length).fill(fill);
      const { serialNumber } = new X509Certificate(Certificate.generate({ notBefore: NOT_BEFORE, random }).der);
      expect(serialNumber).toBe(fill === 0 ? `40${"00".repeat(15)}` : `7F${"FF".repeat(15)}`);
    }
  });

  it("gives a key whose signatures verify against the certificate's key", () => {
    const data = new TextEncoder().encode("data");
    const key = readPublicKey(subjectPublicKeyInfo(certificate.der)!)!;
    expect(verifySignature(key, { hash: "sha256" }, data, certificate.sign(data))).toBe(true);
    expect(verifySignature(key, { hash: "sha256" }, data, new Uint8Array(70))).toBe(false);
  });

  it("refuses options outside their limits, naming them", () => {
    expect(() => Certificate.generate({ notBefore: Number.NaN })).toThrow(/notBefore/);
    expect(() => Certificate.generate({ notBefore: -1 })).toThrow(RangeError);
    expect(() => Certificate.generate({ notBefore: NOT_BEFORE, days: 0 })).toThrow(/days must be 1/);
    expect(() => Certificate.generate({ notBefore: NOT_BEFORE, commonName: "" })).toThrow(/commonName/);
    expect(() => Certificate.generate({ notBefore: NOT_BEFORE, commonName: "x".repeat(65) })).toThrow(/commonName/);
  });
});

describe("openssl", () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "certificate-"));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  it("reads and verifies a generated certificate and its key", () => {
    const pem = Certificate.generate({ notBefore: Date.now() - 60_000 }).toPem();
    const file = join(folder, "generated.pem");
    const keyFile = join(folder, "generated.key");
    writeFileSync(file, pem.certificate);
    writeFileSync(keyFile, pem.privateKey);
    const text = execFileSync("openssl", ["x509", "-in", file, "-noout", "-text"], { encoding: "utf8" });
    expect(text).toContain("Version: 3 (0x2)");
    expect(text).toContain("ecdsa-with-SHA256");
    expect(execFileSync("openssl", ["verify", "-CAfile", file, file], { encoding: "utf8" })).toContain("OK");
    expect(execFileSync("openssl", ["pkey", "-in", keyFile, "-check", "-noout"], { encoding: "utf8" })).toContain(
      "valid",
    );
  });

  it("makes certificates and SEC 1 keys that fromPem takes", () => {
    const keyFile = join(folder, "openssl.key");
    execFileSync("openssl", ["ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", keyFile]);
    const request = ["req", "-x509", "-key", keyFile, "-subj", "/CN=by openssl", "-days", "1"];
    const certificatePem = execFileSync("openssl", request, { encoding: "utf8" });
    const keyPem = execFileSync("openssl", ["ec", "-in", keyFile], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    });
    expect(keyPem).toContain("BEGIN EC PRIVATE KEY");
    const certificate = Certificate.fromPem(certificatePem, keyPem);
    expect(certificate.fingerprint).toBe(new X509Certificate(certificatePem).fingerprint256);
  });
});

describe("a certificate from PEM", () => {
  const original = Certificate.generate({ notBefore: NOT_BEFORE });
  const pem = original.toPem();

  it("round-trips through toPem", () => {
    const copy = Certificate.fromPem(pem.certificate, pem.privateKey);
    expect(copy.der).toEqual(original.der);
    expect(copy.toPem()).toEqual(pem);
  });

  it("may be expired", () => {
    const expired = Certificate.generate({ notBefore: 0, days: 1 }).toPem();
    expect(() => Certificate.fromPem(expired.certificate, expired.privateKey)).not.toThrow();
  });

  it("takes the first of several certificates and ignores text around it", () => {
    const chain = `subject=CN = leaf\n${pem.certificate}${Certificate.generate({ notBefore: 0 }).toPem().certificate}`;
    expect(Certificate.fromPem(chain, pem.privateKey).fingerprint).toBe(original.fingerprint);
  });

  it("is refused with a TypeError naming what is wrong", () => {
    const other = Certificate.generate({ notBefore: NOT_BEFORE }).toPem();
    const rsaKey = generateKeyPairSync("rsa", { modulusLength: 1024 });
    const rsaPem = rsaKey.privateKey.export({ type: "pkcs8", format: "pem" }) as string;
    const otherCurve = Buffer.from(original.der);
    otherCurve[otherCurve.indexOf(Buffer.from("2a8648ce3d030107", "hex")) + 7] = 0x06; // prime239v3
    const otherCurvePem = `-----BEGIN CERTIFICATE-----\n${otherCurve.toString("base64")}\n-----END CERTIFICATE-----\n`;
    const cases: [string, string, RegExp][] = [
      ["", pem.privateKey, /certificatePem holds no PEM block/],
      [
        "-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----",
        pem.privateKey,
        /certificatePem holds no PEM block/,
      ],
      ["-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----", pem.privateKey, /not an X\.509 certificate/],
      [otherCurvePem, pem.privateKey, /P-256/],
      [pem.certificate, "", /privateKeyPem holds no readable/],
      [pem.certificate, pem.certificate, /privateKeyPem holds no readable/],
      [pem.certificate, other.privateKey, /not the private key of certificatePem/],
      [pem.certificate, rsaPem, /not the private key of certificatePem/],
    ];
    for (const [certificatePem, keyPem, message] of cases) {
      expect(() => Certificate.fromPem(certificatePem, keyPem)).toThrow(TypeError);
      expect(() => Certificate.fromPem(certificatePem, keyPem)).toThrow(message);
    }
  });
});

describe("the key of a peer's certificate", () => {
  const { der } = Certificate.generate({ notBefore: NOT_BEFORE });

  it("is found as the platform exports it", () => {
    const spki = new X509Certificate(der).publicKey.export({ type: "spki", format: "der" });
    expect(Buffer.from(subjectPublicKeyInfo(der)!)).toEqual(spki);
  });

  it("is undefined, never an exception, for every truncation", () => {
    for (let length = 0; length < der.length; length++) {
      expect(subjectPublicKeyInfo(der.subarray(0, length)), `length ${length}`).toBeUndefined();
    }
  });

  it("never lies outside the certificate, whatever single byte is changed", () => {
    for (let at = 0; at < 120; at++) {
      for (const value of [0, 1, 2, 3, 0x7f, 0x80, 0x81, 0x82, 0x83, 0x84, 0xff]) {
        const changed = Uint8Array.from(der);
        changed[at] = value;
        const spki = subjectPublicKeyInfo(changed);
        if (spki !== undefined) expect(spki.length).toBeLessThan(changed.length);
      }
    }
  });
});
