"""Sub-resources: of objects (tagging, ACL, retention, legal hold) and of buckets."""

from differ import payload
from differ.space import reads
from differ.world import Step

NAMESPACE = ' xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'


def with_md5(step, body):
    step.body = body
    step.headers.append(("content-md5", payload.md5(body)))
    return step


def tag_set(dice):
    pairs = [("a", "1"), ("b", "two words"), ("\u00fc", "\u4e16"), ("empty", ""), ("x" * 129, "too long"), ("dup", "1"), ("dup", "2")]
    chosen = dice.sample(pairs, dice.randint(0, 3))
    tags = "".join(f"<Tag><Key>{key}</Key><Value>{value}</Value></Tag>" for key, value in chosen)
    return dice.choice([f"<Tagging{NAMESPACE}><TagSet>{tags}</TagSet></Tagging>"] * 8 + ["<Tagging>", "", "<Other/>"]).encode()


def object_tagging(dice, plan):
    bucket, key = plan.target(dice)
    method = dice.choices(["GET", "PUT", "DELETE"], [50, 38, 12])[0]
    step = Step({"GET": "Get", "PUT": "Put", "DELETE": "Delete"}[method] + "ObjectTagging", method, bucket, key, [("tagging", "")])
    if dice.random() < (0.3 if plan.versioned else 0.05):
        step.query.append(("versionId", reads.version(dice, bucket, key)))
    return with_md5(step, tag_set(dice)) if method == "PUT" else step


def object_acl(dice, plan):
    bucket, key = plan.target(dice)
    if dice.random() < 0.7:
        return Step("GetObjectAcl", "GET", bucket, key, [("acl", "")])
    headers = [("x-amz-acl", dice.choice(["private", "public-read", "nonsense"]))]
    return Step("PutObjectAcl", "PUT", bucket, key, [("acl", "")], headers)


def locks(dice, plan):
    bucket, key = plan.target(dice)
    kind = dice.choice(["retention", "legal-hold"])
    name = {"retention": "ObjectRetention", "legal-hold": "ObjectLegalHold"}[kind]
    query = [(kind, "")]
    if dice.random() < 0.2:
        query.append(("versionId", reads.version(dice, bucket, key)))
    if dice.random() < 0.55:
        return Step("Get" + name, "GET", bucket, key, query)
    bodies = {
        "retention": [
            f"<Retention{NAMESPACE}><Mode>GOVERNANCE</Mode><RetainUntilDate>2031-01-01T00:00:00Z</RetainUntilDate></Retention>",
            f"<Retention{NAMESPACE}><Mode>NONSENSE</Mode><RetainUntilDate>2031-01-01T00:00:00Z</RetainUntilDate></Retention>",
            f"<Retention{NAMESPACE}><Mode>GOVERNANCE</Mode><RetainUntilDate>2001-01-01T00:00:00Z</RetainUntilDate></Retention>",
            "<Retention>",
        ],
        "legal-hold": [
            f"<LegalHold{NAMESPACE}><Status>ON</Status></LegalHold>",
            f"<LegalHold{NAMESPACE}><Status>OFF</Status></LegalHold>",
            f"<LegalHold{NAMESPACE}><Status>MAYBE</Status></LegalHold>",
            "<LegalHold>",
        ],
    }
    step = Step("Put" + name, "PUT", bucket, key, query)
    if kind == "retention" and dice.random() < 0.3:
        step.headers.append(("x-amz-bypass-governance-retention", "true"))
    return with_md5(step, dice.choice(bodies[kind]).encode())


# Sub-resource, name of the operation, documents to put, whether it can be deleted.
BUCKET = [
    ("versioning", "BucketVersioning", [], False),
    ("tagging", "BucketTagging", [f"<Tagging{NAMESPACE}><TagSet><Tag><Key>a</Key><Value>1</Value></Tag></TagSet></Tagging>", "<Tagging>"], True),
    ("acl", "BucketAcl", [], False),
    ("policy", "BucketPolicy", ["POLICY", "{}", "no json"], True),
    ("policyStatus", "BucketPolicyStatus", [], False),
    (
        "cors",
        "BucketCors",
        [
            f"<CORSConfiguration{NAMESPACE}><CORSRule><AllowedOrigin>http://example.com</AllowedOrigin><AllowedMethod>GET</AllowedMethod></CORSRule></CORSConfiguration>",
            "<CORSConfiguration>",
        ],
        True,
    ),
    (
        "lifecycle",
        "BucketLifecycleConfiguration",
        [
            f"<LifecycleConfiguration{NAMESPACE}><Rule><ID>r</ID><Status>Enabled</Status><Filter><Prefix>never-used/</Prefix></Filter>"
            "<Expiration><Days>3650</Days></Expiration></Rule></LifecycleConfiguration>",
            "<LifecycleConfiguration/>",
        ],
        True,
    ),
    ("encryption", "BucketEncryption", [], True),
    ("website", "BucketWebsite", [], True),
    ("notification", "BucketNotificationConfiguration", [f"<NotificationConfiguration{NAMESPACE}/>"], False),
    ("object-lock", "ObjectLockConfiguration", [], False),
    ("ownershipControls", "BucketOwnershipControls", [], True),
    ("publicAccessBlock", "PublicAccessBlock", [], True),
    ("logging", "BucketLogging", [], False),
    ("replication", "BucketReplication", [], True),
    ("requestPayment", "BucketRequestPayment", [], False),
    ("accelerate", "BucketAccelerateConfiguration", [], False),
]


def policy(view, bucket):
    return (
        '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":["*"]},"Action":["s3:GetObject"],'
        f'"Resource":["arn:aws:s3:::{view.buckets[bucket]}/never-used/*"]}}]}}'
    )


def bucket_settings(dice, plan):
    # Settings hold for a whole bucket: behind a prefix they are not the route's to make.
    name, operation, documents, deletable = dice.choice(BUCKET)
    choice = dice.random()
    step = Step("Get" + operation, "GET", "plain", None, [(name, "")])
    if documents and choice < 0.4:
        document = dice.choice(documents)
        step = Step("Put" + operation, "PUT", "plain", None, [(name, "")])

        def body(view):
            return (policy(view, "plain") if document == "POLICY" else document).encode()

        step.body = body
        step.headers.append(("content-md5", lambda view: payload.md5(body(view))))
    elif deletable and choice < 0.5:
        step = Step("Delete" + operation, "DELETE", "plain", None, [(name, "")])
    return step


def versioning(dice, plan):
    status = dice.choice(["Enabled", "Suspended", "Enabled", "Nonsense"])
    document = f"<VersioningConfiguration{NAMESPACE}><Status>{status}</Status></VersioningConfiguration>"
    step = Step("PutBucketVersioning", "PUT", "plain", None, [("versioning", "")])
    return with_md5(step, document.encode())


def bucket_life(dice, plan):
    """Buckets made and deleted; the one that the round works on is only made again."""
    operation, method, bucket = dice.choice(
        [("CreateBucket", "PUT", "extra"), ("CreateBucket", "PUT", "plain"), ("DeleteBucket", "DELETE", "extra"), ("HeadBucket", "HEAD", "extra")]
    )
    step = Step(operation, method, bucket)
    if operation == "CreateBucket" and dice.random() < 0.3:
        region = dice.choice(["us-east-1", "eu-west-1"])
        document = f"<CreateBucketConfiguration{NAMESPACE}><LocationConstraint>{region}</LocationConstraint></CreateBucketConfiguration>"
        step.body = dice.choice([document, document, "<CreateBucketConfiguration>"]).encode()
    return step


def restore(dice, plan):
    bucket, key = plan.target(dice)
    document = f"<RestoreRequest{NAMESPACE}><Days>1</Days></RestoreRequest>"
    body = dice.choice([document, document, "<RestoreRequest>", ""]).encode()
    return with_md5(Step("RestoreObject", "POST", bucket, key, [("restore", "")]), body)


def select(dice, plan):
    bucket, key = plan.target(dice)
    document = (
        f"<SelectObjectContentRequest{NAMESPACE}><Expression>select * from s3object</Expression><ExpressionType>SQL</ExpressionType>"
        "<InputSerialization><CSV/></InputSerialization><OutputSerialization><CSV/></OutputSerialization></SelectObjectContentRequest>"
    )
    body = dice.choice([document, document, "<SelectObjectContentRequest>"]).encode()
    return Step("SelectObjectContent", "POST", bucket, key, [("select", ""), ("select-type", "2")], body=body)
