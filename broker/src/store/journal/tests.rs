mod full_disk;
mod power_cut;
mod read;
mod reuse;
mod speed;
mod start;
