"""s3torchconnectorclient (AWS CRT through mountpoint-s3-client): the reader and writer under PyTorch's S3 connector."""

import s3torch
import support

support.every_bucket(s3torch.Store)
