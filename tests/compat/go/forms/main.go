// Uploads one object in each payload form that the AWS SDKs for Go can be made to use, each under the name of its form.
//
// The SDK streams with a trailing checksum over TLS only. A transport that takes the TLS off shows what a gateway behind a
// TLS terminator gets: the signature covers no scheme.
package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/feature/s3/manager"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	aws1 "github.com/aws/aws-sdk-go/aws"
	credentials1 "github.com/aws/aws-sdk-go/aws/credentials"
	session1 "github.com/aws/aws-sdk-go/aws/session"
	s31 "github.com/aws/aws-sdk-go/service/s3"
	"github.com/aws/smithy-go/middleware"
)

const partSize = 5 << 20

var (
	endpoint   = os.Getenv("FORMS_ENDPOINT")
	bucket     = os.Getenv("FORMS_BUCKET")
	prefix     = os.Getenv("FORMS_PREFIX")
	body       = read("FORMS_BODY")
	large      = read("FORMS_LARGE")
	background = context.Background()
)

// Those that the SDK computes itself.
var algorithms = []types.ChecksumAlgorithm{
	types.ChecksumAlgorithmCrc32, types.ChecksumAlgorithmCrc32c, types.ChecksumAlgorithmCrc64nvme,
	types.ChecksumAlgorithmSha1, types.ChecksumAlgorithmSha256, types.ChecksumAlgorithmSha512,
}

// A reader that cannot go back.
type forwardOnly struct{ io.Reader }

// A transport that speaks plain HTTP where the SDK believes in TLS.
type withoutTLS struct{}

func (withoutTLS) RoundTrip(request *http.Request) (*http.Response, error) {
	plain := request.Clone(request.Context())
	plain.URL.Scheme = "http"
	return http.DefaultTransport.RoundTrip(plain)
}

func main() {
	plain := client(endpoint, http.DefaultClient)
	secure := client(strings.Replace(endpoint, "http:", "https:", 1), &http.Client{Transport: withoutTLS{}})
	for _, algorithm := range algorithms {
		name := strings.ToLower(string(algorithm))
		put(plain, "hash-"+name, bytes.NewReader(body), algorithm, nil)
		put(secure, "trailer-"+name, bytes.NewReader(body), algorithm, nil)
		put(secure, "unseekable-"+name, forwardOnly{bytes.NewReader(body)}, algorithm, nil)
	}
	required := func(options *s3.Options) {
		options.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
	}
	put(plain, "hash", bytes.NewReader(body), "", nil, required)
	put(plain, "unsigned", forwardOnly{bytes.NewReader(body)}, "", v4.SwapComputePayloadSHA256ForUnsignedPayloadMiddleware, required)
	presigned(plain)
	presignedWithHash()
	manage(plain, "parts-composite", types.ChecksumAlgorithmSha256)
	manage(secure, "parts-full", types.ChecksumAlgorithmCrc64nvme)
}

func client(url string, transport aws.HTTPClient) *s3.Client {
	return s3.New(s3.Options{
		BaseEndpoint:     aws.String(url),
		Region:           os.Getenv("AWS_REGION"),
		Credentials:      credentials.NewStaticCredentialsProvider(os.Getenv("AWS_ACCESS_KEY_ID"), os.Getenv("AWS_SECRET_ACCESS_KEY"), ""),
		UsePathStyle:     true,
		RetryMaxAttempts: 1,
		HTTPClient:       transport,
	})
}

func put(client *s3.Client, name string, from io.Reader, algorithm types.ChecksumAlgorithm, payload func(*middleware.Stack) error, more ...func(*s3.Options)) {
	if payload != nil {
		more = append(more, s3.WithAPIOptions(payload))
	}
	_, err := client.PutObject(background, &s3.PutObjectInput{
		Bucket:            &bucket,
		Key:               aws.String(prefix + name),
		Body:              from,
		ContentLength:     aws.Int64(int64(len(body))),
		ChecksumAlgorithm: algorithm,
	}, more...)
	must(name, err)
}

func presigned(client *s3.Client) {
	request, err := s3.NewPresignClient(client).PresignPutObject(background, &s3.PutObjectInput{
		Bucket: &bucket,
		Key:    aws.String(prefix + "presigned"),
	})
	must("presigned", err)
	send("presigned", request.URL, request.SignedHeader)
}

// The first SDK covers a hash that it is given.
func presignedWithHash() {
	session := session1.Must(session1.NewSession(&aws1.Config{
		Endpoint:         &endpoint,
		Region:           aws.String(os.Getenv("AWS_REGION")),
		Credentials:      credentials1.NewStaticCredentials(os.Getenv("AWS_ACCESS_KEY_ID"), os.Getenv("AWS_SECRET_ACCESS_KEY"), ""),
		S3ForcePathStyle: aws.Bool(true),
	}))
	request, _ := s31.New(session).PutObjectRequest(&s31.PutObjectInput{Bucket: &bucket, Key: aws.String(prefix + "presigned-hash")})
	digest := sha256.Sum256(body)
	request.HTTPRequest.Header.Set("X-Amz-Content-Sha256", hex.EncodeToString(digest[:]))
	url, headers, err := request.PresignRequest(time.Minute)
	must("presigned-hash", err)
	send("presigned-hash", url, headers)
}

func send(name, url string, headers http.Header) {
	request, err := http.NewRequest(http.MethodPut, url, bytes.NewReader(body))
	must(name, err)
	for header, values := range headers {
		if header != "Host" && header != "Content-Length" {
			request.Header[header] = values
		}
	}
	answer, err := http.DefaultClient.Do(request)
	must(name, err)
	answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		must(name, fmt.Errorf("status %d", answer.StatusCode))
	}
}

func manage(client *s3.Client, name string, algorithm types.ChecksumAlgorithm) {
	uploader := manager.NewUploader(client, func(uploader *manager.Uploader) { uploader.PartSize = partSize })
	_, err := uploader.Upload(background, &s3.PutObjectInput{
		Bucket:            &bucket,
		Key:               aws.String(prefix + name),
		Body:              forwardOnly{bytes.NewReader(large)},
		ChecksumAlgorithm: algorithm,
	})
	must(name, err)
}

func read(variable string) []byte {
	content, err := os.ReadFile(os.Getenv(variable))
	must(variable, err)
	return content
}

func must(what string, err error) {
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", what, err)
		os.Exit(1)
	}
}
