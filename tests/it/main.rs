//! Real nodes before an S3 origin in this process, over real connections. Each module is a group of promises.

mod browser_forms;
mod clients;
mod disk;
mod failures;
mod forms;
mod late;
mod life;
mod memory;
mod purge;
mod reads;
mod refusals;
mod strict;
mod support;
mod surface;
mod tls;
mod traces;
mod wire;
mod writes;
