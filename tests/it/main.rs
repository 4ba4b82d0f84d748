//! Real nodes before an S3 origin in this process, over real connections. Each module is a group of promises.

mod life;
mod memory;
mod reads;
mod refusals;
mod support;
mod tls;
mod wire;
mod writes;
