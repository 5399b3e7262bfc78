#include "components/transport/stream/send_queue.h"

#include <algorithm>

namespace mobula::transport {

bool SendQueue::Push(Frame frame) {
  frame.header.body_bytes = static_cast<std::uint32_t>(frame.body.size());
  frame.header.attachment_bytes = frame.attachment.size();
  if (frame.descriptor >= 0) {
    // The sender may close its own as soon as this returns.
    Descriptor copy = Descriptor::Duplicate(frame.descriptor);
    if (!copy.IsOpen()) return false;
    frame.header.flags |= kFrameHasDescriptor;
    chunks_.emplace_back().descriptor = std::move(copy);
  }
  const auto header = EncodeFrameHeader(frame.header);
  const std::uint64_t text_bytes = header.size() + frame.body.size();
  bytes_ += text_bytes + frame.attachment.size();
  body_bytes_ += text_bytes;
  std::string& tail = Tail();
  tail.append(reinterpret_cast<const char*>(header.data()), header.size());
  // Many small frames become one chunk, so that one write of few parts sends them. Copying a large
  // body would cost more than another part does.
  if (frame.body.size() <= kCopyMax) {
    tail += frame.body;
  } else {
    chunks_.emplace_back().text = std::move(frame.body);
  }
  if (!frame.attachment.empty()) chunks_.emplace_back().payload = std::move(frame.attachment);
  return true;
}

/// \return the chunk that small frames are appended to.
std::string& SendQueue::Tail() {
  // A chunk that holds an attachment or is full is closed. The text of the last one that was sent
  // is used again: a queue that is never long allocates nothing.
  if (chunks_.empty() || !chunks_.back().payload.empty() ||
      chunks_.back().text.size() >= kChunkBytes) {
    chunks_.emplace_back().text = std::exchange(spare_, {});
  }
  return chunks_.back().text;
}

std::size_t SendQueue::Fill(std::span<iovec> parts) const {
  std::size_t used = 0;
  std::size_t skip = sent_;
  for (const Chunk& chunk : chunks_) {
    // A descriptor leaves with the first byte of its chunk, so such a chunk begins a write.
    if (used == parts.size() || (used > 0 && chunk.descriptor.IsOpen())) break;
    const auto rest = chunk.bytes().subspan(skip);
    parts[used++] = {const_cast<std::byte*>(rest.data()), rest.size()};
    skip = 0;
  }
  return used;
}

int SendQueue::DescriptorToPass() const {
  return chunks_.empty() || sent_ > 0 ? -1 : chunks_.front().descriptor.get();
}

void SendQueue::Consume(std::uint64_t size) {
  bytes_ -= size;
  while (size > 0) {
    Chunk& chunk = chunks_.front();
    const std::uint64_t rest = chunk.bytes().size() - sent_;
    const std::uint64_t gone = std::min(rest, size);
    // Bytes of attachments count for the caller's pace only; bodies are what the bound is for.
    if (chunk.payload.empty()) body_bytes_ -= gone;
    size -= gone;
    sent_ += gone;
    if (gone < rest) return;  // the next write goes on in the middle of this chunk
    if (chunk.text.capacity() <= 2 * kChunkBytes) {
      chunk.text.clear();
      spare_ = std::move(chunk.text);
    }
    chunks_.pop_front();
    sent_ = 0;
  }
}

void SendQueue::Clear() {
  chunks_.clear();
  sent_ = 0;
  bytes_ = 0;
  body_bytes_ = 0;
}

}  // namespace mobula::transport
